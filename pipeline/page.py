"""A contact sheet as one HTML file: each row's picture, words and labels, nothing to load from elsewhere."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

_DIGITS = 3
_STYLE = """
body { font: 13px/1.4 sans-serif; margin: 16px; color: #222 } h1 { font-size: 17px }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); gap: 14px }
article { border: 1px solid #ddd; border-radius: 4px; padding: 8px; overflow-wrap: anywhere } img { width: 100%; display: block }
b { display: block; margin: 6px 0 2px } .reason { color: #b02a1e } summary { cursor: pointer; color: #555 }
dt { font-weight: bold; margin-top: 6px } dd { margin: 0; color: #444 } pre { margin: 0; overflow-x: auto; font-size: 11px }
"""


def page(title: str, rows: Sequence[Mapping[str, Any]], pictures: Sequence[Image.Image], fields: Mapping[str, pa.Field]) -> str:
    """The page of rows and their pictures; `fields` says what each column means."""
    articles = "".join(_article(row, picture, fields) for row, picture in zip(rows, pictures, strict=True))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title><style>{_STYLE}</style>'
        f"<h1>{html.escape(title)}, {len(rows)} rows</h1><main>{articles}</main></html>\n"
    )


def png_of(picture: Image.Image) -> bytes:
    """The picture encoded."""
    data = io.BytesIO()
    picture.save(data, format="PNG")
    return data.getvalue()


def _article(row: Mapping[str, Any], picture: Image.Image, fields: Mapping[str, pa.Field]) -> str:
    source = base64.b64encode(png_of(picture)).decode()
    words = {name: value for name, value in row.items() if isinstance(value, str) and value and name not in ("sample_id", "reason")}
    caption = "".join(f"<div>{html.escape(name)}: {html.escape(value)}</div>" for name, value in words.items())
    labels = "".join(_label(name, row[name], fields.get(name)) for name in row if not isinstance(row[name], str | bytes))
    return (
        f'<article><img alt="" src="data:image/png;base64,{source}"><b>{html.escape(row["sample_id"])}</b>'
        f'<div class="reason">{html.escape(row["reason"])}</div>{caption}'
        f"<details><summary>labels</summary><dl>{labels}</dl></details></article>"
    )


def _label(name: str, value: Any, field: pa.Field | None) -> str:
    meta = {k.decode(): v.decode() for k, v in ((field.metadata if field is not None else None) or {}).items()}
    about = ", ".join(part for part in (meta.get("shape", ""), meta.get("unit", ""), meta.get("frame", "")) if part)
    numbers = np.array2string(np.asarray(value), precision=_DIGITS, suppress_small=True, max_line_width=110, threshold=10_000)
    return (
        f'<dt title="{html.escape(meta.get("doc", ""))}">{html.escape(name)} <small>{html.escape(about)}</small></dt>'
        f"<dd><pre>{html.escape(numbers)}</pre></dd>"
    )
