"""`python -m manifests.fields > docs/fields.md`: every field of a recipe, as the schema has it."""

import json
from collections.abc import Iterator
from typing import Any

from manifests.markdown import table
from manifests.recipe import Recipe

HEAD = ("key", "value", "default", "meaning")
_INTRO = """# Every field of a recipe

Written by `python -m manifests.fields` from `manifests/recipe.py`; what the sections are for: [recipes](recipes.md).
"""

Schema = dict[str, Any]


def page() -> str:
    """The whole page, Markdown."""
    schema = Recipe.model_json_schema()
    return "\n".join([_INTRO, *_sections("", schema, schema["$defs"])])


def _sections(path: str, section: Schema, known: dict[str, Schema]) -> Iterator[str]:
    """A section with a row for each of its own fields, then those within it."""
    rows, within = list[tuple[str, ...]](), list[tuple[str, Schema]]()
    for name, field in section["properties"].items():
        within += _inner(f"{path}{name}", field, known)
        if "$ref" not in field:
            rows.append((f"`{path}{name}`", _values(field), _default(field), field.get("description", "")))
    if rows:
        yield f"## {path.rstrip('.') or 'The recipe itself'}\n\n{section.get('description', '')}\n\n{table(HEAD, rows)}\n"
    for key, inner in within:
        yield from _sections(f"{key}.", inner, known)


def _inner(path: str, field: Schema, known: dict[str, Schema]) -> Iterator[tuple[str, Schema]]:
    """The sections that a field is made of."""
    if "$ref" in field:
        yield path, _of(field, known)
    for way in field.get("items", {}).get("oneOf", ()):
        kind = _of(way, known)
        yield f"{path}[{kind['properties']['kind']['const']}]", kind


def _of(reference: Schema, known: dict[str, Schema]) -> Schema:
    return known[reference["$ref"].rpartition("/")[2]]


def _values(field: Schema) -> str:
    """What may stand there, in words."""
    if "anyOf" in field:
        return ", or ".join(map(_values, field["anyOf"]))
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    if "prefixItems" in field:
        return f"[{', '.join(map(_values, field['prefixItems']))}]"
    if "items" in field:
        return "list of " + ("sources" if "oneOf" in field["items"] else _values(field["items"]))
    if "additionalProperties" in field:
        names = f"each of {_values(field['propertyNames'])}" if "propertyNames" in field else "some names"
        return f"{_values(field['additionalProperties'])} for {names}"
    return _plain(field)


def _plain(field: Schema) -> str:
    """A single value, in words."""
    if "const" in field:
        return str(field["const"])
    if field.get("format") == "path":
        return "path"
    words = {"integer": "whole number", "boolean": "true, false", "string": "text"}
    return words.get(field["type"], str(field["type"])) + _range(field)


def _range(field: Schema) -> str:
    """The bounds of a number, in words."""
    names = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return "".join(f" {word} {field[name]}" for name, word in names.items() if name in field)


def _default(field: Schema) -> str:
    return f"`{json.dumps(field['default'])}`" if "default" in field else "must be given"


if __name__ == "__main__":
    print(page(), end="")
