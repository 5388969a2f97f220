"""Pictures that a user annotated himself, as samples of our 16 joints: COCO keypoints and AnimatedDrawings characters."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from estimator.annotated_picture import box_of, check_size, drawn_box, read_picture
from estimator.keypoints import Joints, from_character, from_coco
from manifests.errors import UserError
from manifests.skeleton import STYLES

CHARACTER, TEXTURE, MASK = "char_cfg.yaml", "texture.png", "mask.png"


@dataclass(frozen=True, eq=False)
class Annotated:
    """One figure of a picture: image (H, W, 3) uint8 RGB; box (4,) x0, y0, x1, y1 px; joints (16, 2) px; known (16,) bool;
    visibility (16,) 0 outside or unknown, 1 occluded, 2 visible; style as in skeleton.STYLES, or None.

    Pixels count from the top-left corner of the picture. Joints that are not known are zero.
    """

    path: Path
    image: np.ndarray
    box: np.ndarray
    joints: np.ndarray
    known: np.ndarray
    visibility: np.ndarray
    style: str | None


def read_annotated(data: Path, images: Path | None = None) -> list[Annotated]:
    """Every figure of `data`: a COCO json (its pictures beside it, or in `images`), a folder with one, a character's folder, or
    a folder of characters' folders."""
    samples = list(_read(Path(data), images))
    if not samples:
        raise UserError(f"{data}: no figure with a labelled joint")
    return samples


def _read(data: Path, images: Path | None) -> Iterator[Annotated]:
    if data.is_file():
        return _coco(data, images or data.parent)
    if not data.is_dir():
        raise UserError(f"{data}: no such file or folder")
    characters = [data] if (data / CHARACTER).is_file() else sorted(p.parent for p in data.glob(f"*/{CHARACTER}"))
    if characters:
        return (_character(folder) for folder in characters)
    tables = sorted(data.glob("*.json"))
    if len(tables) != 1:
        raise UserError(f"{data}: {len(tables)} json files and no {CHARACTER}; name the COCO json itself, or a folder of characters")
    return _coco(tables[0], images or data)


def _coco(path: Path, images: Path) -> Iterator[Annotated]:
    """The figures of a COCO keypoints file that have a labelled joint; crowds are passed over."""
    pictures, categories, figures = _tables(path)
    load = cache(read_picture)
    for figure in figures:
        where = f"{path}: annotation {figure.get('id')}"
        if figure.get("iscrowd"):
            continue
        category = _lookup(categories, figure.get("category_id"), f"{where}: category_id")
        picture = _lookup(pictures, figure.get("image_id"), f"{where}: image_id")
        found = from_coco(category.get("keypoints"), figure.get("keypoints"), where)
        if found.known.any():
            source = images / _file_name(picture, where)
            image = load(source, where)
            check_size(picture, image, f"{where}: {source}")
            yield _sample(source, image, box_of(figure.get("bbox"), found, where), found, _style(picture, where))


def _tables(path: Path) -> tuple[dict, dict, list[dict]]:
    """Images and categories by id, and the list of annotations."""
    try:
        words = json.loads(path.read_bytes())
        by_id = [{row["id"]: row for row in words[name]} for name in ("images", "categories")]
        figures = [dict(row) for row in words["annotations"]]
    except OSError as e:
        raise UserError(f"{path}: cannot read ({e.strerror})") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as e:
        raise UserError(f"{path}: not a JSON file ({e})") from None
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{path}: not a COCO file, expected lists images, annotations and categories of objects with an id") from None
    return by_id[0], by_id[1], figures


def _lookup(rows: dict, key: object, where: str) -> dict:
    try:
        return rows[key]
    except (KeyError, TypeError):
        raise UserError(f"{where} {key!r} is not in the file") from None


def _file_name(picture: dict, where: str) -> str:
    name = picture.get("file_name")
    if not isinstance(name, str) or not name:
        raise UserError(f"{where}: image {picture['id']} has no file_name")
    return name


def _style(picture: dict, where: str) -> str | None:
    style = picture.get("style")
    if style is not None and style not in STYLES:
        raise UserError(f"{where}: style {style!r} of its image: expected one of {', '.join(STYLES)}")
    return style


def _character(folder: Path) -> Annotated:
    path = folder / CHARACTER
    try:
        words = yaml.safe_load(path.read_bytes())
    except (OSError, yaml.YAMLError) as e:
        raise UserError(f"{path}: cannot read this character ({' '.join(str(e).split())})") from None
    if not isinstance(words, dict):
        raise UserError(f"{path}: expected height, width and skeleton")
    found = from_character(words.get("skeleton"), str(path))
    image = read_picture(folder / TEXTURE, str(path))
    check_size(words, image, f"{path}: {TEXTURE}")
    return _sample(folder / TEXTURE, image, drawn_box(folder / MASK, image, str(path)), found, None)


def _sample(path: Path, image: np.ndarray, box: np.ndarray, found: Joints, style: str | None) -> Annotated:
    """A known joint beyond the picture's border is outside, whatever was written."""
    inside = ((found.joints >= 0) & (found.joints <= image.shape[1::-1])).all(-1)
    return Annotated(path, image, box, found.joints, found.known, np.where(inside, found.visibility, 0), style)
