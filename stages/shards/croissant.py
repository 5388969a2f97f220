"""The dataset's description for machines: Croissant 1.1, a JSON-LD that dataset searches and `mlcroissant` read. From the index alone."""

import json

from manifests.dataset import Index
from stages.shards.card import limits

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
_LANGUAGES = {"@container": "@language"}
_JSON = "@json"
# The context that the specification gives.
_CONTEXT = {
    "@language": "en", "@vocab": "https://schema.org/", "arrayShape": "cr:arrayShape", "citeAs": "cr:citeAs", "column": "cr:column",
    "conformsTo": "dct:conformsTo", "containedIn": "cr:containedIn", "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": _JSON}, "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/", "description": _LANGUAGES, "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": _JSON}, "extract": "cr:extract", "field": "cr:field",
    "fileObject": "cr:fileObject", "fileProperty": "cr:fileProperty", "fileSet": "cr:fileSet", "format": "cr:format",
    "includes": "cr:includes", "isArray": "cr:isArray", "isLiveDataset": "cr:isLiveDataset", "jsonPath": "cr:jsonPath",
    "key": "cr:key", "md5": "cr:md5", "name": _LANGUAGES, "parentField": "cr:parentField", "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/", "recordSet": "cr:recordSet", "references": "cr:references", "regex": "cr:regex",
    "repeated": "cr:repeated", "replace": "cr:replace", "samplingRate": "cr:samplingRate", "sc": "https://schema.org/",
    "separator": "cr:separator", "source": "cr:source", "subField": "cr:subField", "transform": "cr:transform",
}  # fmt: skip
_PARQUET = "application/x-parquet"
_MEDIA = {"png": "image/png", "jpg": "image/jpeg", "json": "application/json", "npz": "application/x-npz"}
_BEFORE_DOT = {"regex": r"^([^.]+)\..*$"}
_VERDICT = {
    "sample_id": "name of the sample", "style": "style of the drawing", "split": "train or val", "reason": "why it was not kept",
    "outcome": "kept, rejected, surplus or failed", "stage": "who rejected it, or where it failed", "shard": "what holds it, without .tar",
}  # fmt: skip


def croissant(index: Index) -> bytes:
    """The description of a dataset; equal indexes give equal bytes."""
    words = {
        "@context": _CONTEXT, "@type": "sc:Dataset", "conformsTo": CONFORMS_TO, "name": index.name, "alternateName": index.title,
        "description": f"{index.samples} drawings of people, each with its 3D pose, in the SMPL convention.",
        "license": index.licence, "version": f"{index.schema_version}.0.0", "isLiveDataset": False,
        "keywords": ["sketch", "3d human pose", "smpl", "webdataset", "synthetic"],
        "creator": [{"@type": "sc:Person", "name": name} for name in index.creators],
        "url": index.url, "datePublished": index.published, "distribution": _files(index), "recordSet": _records(index),
        "rai:dataCollection": f"Poses were sampled and drawn by {', '.join(index.generators)}; the recipe is in dataset.json.",
        "rai:dataLimitations": limits(index), "rai:personalSensitiveInformation": ["none: no picture shows a real person"],
    }  # fmt: skip
    return json.dumps({k: v for k, v in words.items() if v not in ("", [])}, indent=1, ensure_ascii=False).encode() + b"\n"


def _files(index: Index) -> list[dict]:
    shards = [_file(s.shard, "application/x-tar", s.bytes, s.sha256) for s in index.shards]
    verdicts = [_file(v.file, _PARQUET, v.bytes, v.sha256) for v in index.verdicts]
    inside = [{"@id": s.shard} for s in index.shards]
    sets = [_inside(name, kind, inside) for name, kind in (("pictures", index.image_format), ("words", "json"), ("labels", "npz"))]
    tables = {"@type": "cr:FileSet", "@id": "verdicts", "name": "verdicts", "encodingFormat": _PARQUET, "includes": "verdicts/*.parquet"}
    return [*shards, *verdicts, *sets, *([tables] if verdicts else [])]


def _file(name: str, media: str, size: int, sha256: str) -> dict:
    about = {"contentUrl": name, "contentSize": f"{size} B", "encodingFormat": media, "sha256": sha256}
    return {"@type": "cr:FileObject", "@id": name, "name": name, **about}


def _inside(name: str, kind: str, tars: list[dict]) -> dict:
    about = {"encodingFormat": _MEDIA[kind], "includes": f"*.{kind}"}
    return {"@type": "cr:FileSet", "@id": name, "name": name, "containedIn": tars, **about}


def _records(index: Index) -> list[dict]:
    pictures = [
        _field("pictures", "sample_id", "sc:Text", "name of the sample", {"fileProperty": "filename"}, transform=_BEFORE_DOT),
        _field("pictures", "image", "sc:ImageObject", "the drawing", {"fileProperty": "content"}),
    ]
    verdicts = [_field("verdicts", name, "sc:Text", doc, {"column": name}) for name, doc in _VERDICT.items()]
    sets = {"pictures": pictures, **({"verdicts": verdicts} if index.verdicts else {})}
    return [_record_set(name, fields) for name, fields in sets.items()]


def _record_set(name: str, fields: list[dict]) -> dict:
    return {"@type": "cr:RecordSet", "@id": f"{name}-records", "name": name, "key": {"@id": f"{name}/sample_id"}, "field": fields}


def _field(files: str, name: str, kind: str, doc: str, extract: dict, **more: dict) -> dict:
    source = {"fileSet": {"@id": files}, "extract": extract, **more}
    return {"@type": "cr:Field", "@id": f"{files}/{name}", "name": name, "description": doc, "dataType": kind, "source": source}
