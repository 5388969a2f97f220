"""Pictures that a user annotated himself, as samples of our 16 joints: COCO keypoints and AnimatedDrawings characters."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import yaml

from manifests.errors import UserError
from manifests.recipe_files import NOT_YAML
from manifests.skeleton import STYLES
from stages.annotated.keypoints import Joints, from_character, from_coco, names_limbs
from stages.annotated.pictures import box_of, check_size, drawn_box, read_picture
from stages.scan import Scan, read_scan

CHARACTER, TEXTURE, MASK = "char_cfg.yaml", "texture.png", "mask.png"
# Words in the names of a picture's folders that tell its style: those of Human-Art, and plain ones.
STYLE_WORDS = {
    "cartoon": "cartoon", "oil": "oil", "shuimo": "ink", "ink": "ink", "sketch": "charcoal", "charcoal": "charcoal",
    "stick": "stick", "kids": "kids", "children": "kids",
}  # fmt: skip
Told = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Annotated(Joints):
    """One figure of a picture: image (H, W, 3) uint8 RGB, upright, dark strokes on light paper; box (4,) x0, y0, x1, y1 px; joints,
    visibility and `known` as in Joints; style as in skeleton.STYLES, or None.

    Pixels count from the top-left corner of the image, which is smaller than its file where that is larger than stages.scan.WORKING.
    """

    path: Path
    image: np.ndarray
    box: np.ndarray
    style: str | None


def read_annotated(data: Path, images: Path | None = None, left_out: Told | None = None) -> Iterator[Annotated]:
    """Every figure of `data`: a COCO json (pictures beside it, above it, or in `images`), a folder with one, a character's folder,
    or a folder of characters' folders. left_out: takes the sentence about each figure that cannot be read, in place of an error."""
    count = 0
    for read in _readers(Path(data), images):
        try:
            figure = read()
        except UserError as e:
            if left_out is None:
                raise
            left_out(f"left out: {e}")
            continue
        if figure:
            count += 1
            yield figure
    if not count:
        raise UserError(f"{data}: no figure with a labelled joint")


def _readers(data: Path, images: Path | None) -> Iterator[Callable[[], Annotated | None]]:
    """What reads each figure; None where nothing is labelled."""
    if data.is_file():
        return _coco(data, images)
    if not data.is_dir():
        raise UserError(f"{data}: no such file or folder")
    characters = sorted(p.parent for p in data.rglob(CHARACTER))
    if characters:
        return (partial(_character, folder) for folder in characters)
    tables = sorted(data.glob("*.json"))
    if len(tables) != 1:
        raise UserError(f"{data}: {len(tables)} json files and no {CHARACTER}; name the COCO json itself, or a folder of characters")
    return _coco(tables[0], images)


def _coco(path: Path, images: Path | None) -> Iterator[Callable[[], Annotated | None]]:
    """Readers of the figures of a COCO keypoints file. Crowds are passed over, and so is what has no keypoints or is of another
    category than people; where no category is of people, something is wrong with the names, and the first figure says what."""
    pictures, categories, figures = _tables(path)
    look = lru_cache(1)(read_scan)  # the next figure is often of the same picture
    people = {key for key, category in categories.items() if names_limbs(category.get("keypoints"))}

    def read(figure: dict) -> Annotated | None:
        where = f"{path}: annotation {figure.get('id')}"
        category = _lookup(categories, figure.get("category_id"), f"{where}: category_id")
        if figure.get("keypoints") in (None, []) or (people and figure["category_id"] not in people):
            return None
        picture = _lookup(pictures, figure.get("image_id"), f"{where}: image_id")
        found = from_coco(category.get("keypoints"), figure.get("keypoints"), where)
        if not found.known.any():
            return None
        source = _place(path, images, _file_name(picture, where))
        scan = read_picture(look, source, where)
        check_size(picture, scan, f"{where}: {source}")
        return _sample(source, scan, box_of(figure.get("bbox"), found, where), found, _style(picture, where))

    return (partial(read, figure) for figure in figures if not figure.get("iscrowd"))


def _place(path: Path, images: Path | None, name: str) -> Path:
    """Where a picture lies: in `images`, else beside the json or above it, as data sets have it that keep annotations apart."""
    places = [folder / part / name for folder in path.parents[:3] for part in ("", "images")]
    return images / name if images else next((place for place in places if place.is_file()), places[0])


def _tables(path: Path) -> tuple[dict, dict, list[dict]]:
    """Images and categories by id, and the list of annotations."""
    try:
        words = json.loads(path.read_bytes())
        by_id = [{row["id"]: row for row in words[name]} for name in ("images", "categories")]
        figures = [dict(row) for row in words["annotations"]]
    except OSError as e:
        raise UserError(f"{path}: cannot read ({e.strerror})") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as e:
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
    return style or style_of(_file_name(picture, where))


def style_of(name: str) -> str | None:
    """The style that the folders and the name of a picture tell, None where they tell none."""
    words = re.split("[^a-z]+", name.lower())
    return next((style for word, style in STYLE_WORDS.items() if word in words), None)


def _character(folder: Path) -> Annotated:
    path = folder / CHARACTER
    try:
        words = yaml.safe_load(path.read_bytes())
    except (OSError, *NOT_YAML) as e:
        raise UserError(f"{path}: cannot read this character ({' '.join(str(e).split())})") from None
    if not isinstance(words, dict):
        raise UserError(f"{path}: expected height, width and skeleton")
    found = from_character(words.get("skeleton"), str(path))
    scan = read_picture(read_scan, folder / TEXTURE, str(path))
    check_size(words, scan, f"{path}: {TEXTURE}")
    return _sample(folder / TEXTURE, scan, drawn_box(folder / MASK, scan.size, str(path)), found, None)


def _sample(path: Path, scan: Scan, box: np.ndarray, found: Joints, style: str | None) -> Annotated:
    """Joints and box in px of the file. A known joint beyond the picture's border is outside, whatever was written."""
    inside = ((found.joints >= 0) & (found.joints <= scan.size)).all(-1)
    visibility = np.where(inside, found.visibility, 0)
    return Annotated(found.joints * scan.scale, visibility, path, scan.clean, box * scan.scale, style)
