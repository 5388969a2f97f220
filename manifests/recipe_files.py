"""Recipes as files: YAML read, changed by `key=value`, checked; what is wrong is one sentence."""

import difflib
from importlib import resources
from itertools import combinations
from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import ValidationError

from manifests.errors import UserError, first_line
from manifests.recipe import Recipe

# With what its constructors let through: a tag or a number that is none, and a text nested too deep.
NOT_YAML = (yaml.YAMLError, ValueError, LookupError, AttributeError, OverflowError, RecursionError)


class _Loader(yaml.SafeLoader):
    """Recipes hold no dates, and every key is a name: YAML takes a bare day for a date and the key `on` for True.

    `yes` and `on` come as text: a field that is true or false knows them, for a number they are a mistake and not 1.
    """

    yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:bool")]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """YAML lets the last of two equal keys win, and a whole section go unseen."""
        node = super().compose_mapping_node(anchor)
        names = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for before, key in combinations(names, 2):
            if before.value == key.value:
                raise yaml.composer.ComposerError(None, None, f"{key.value} stands here a second time", key.start_mark)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        self.flatten_mapping(node)  # first, as it knows `<<` by its tag
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep)


def bundled_recipes() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("manifests") / "recipes"
    return sorted(p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml"))


def load_recipe(source: str, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe by path or bundled name, apply `key=value` overrides, check it. Raises UserError with one sentence."""
    where, text = _read(source)
    return parse_recipe(text, where, overrides)


def parse_recipe(text: str, where: str, overrides: list[str] | None = None) -> Recipe:
    """The recipe in a YAML text; `where` names it in errors."""
    data = _parse(where, text)
    for item in overrides or []:
        _override(data, item)
    return check_recipe(data, where)


def check_recipe(data: dict, where: str) -> Recipe:
    """Validate a recipe; the sentence names the file, the key and what was expected."""
    try:
        return Recipe.model_validate(data)
    except ValidationError as e:
        raise UserError(f"{where}: {_sentence(e, data)}") from None


def dump_recipe(recipe: Recipe) -> str:
    """The resolved recipe as YAML; reading it back gives the same recipe."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False)


def _read(source: str) -> tuple[str, str]:
    if source in bundled_recipes():
        return f"recipe {source}", (resources.files("manifests") / "recipes" / f"{source}.yaml").read_text("utf-8")
    try:
        return source, Path(source).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as e:
        names = ", ".join(bundled_recipes())
        raise UserError(
            f"{source}: cannot read this recipe ({getattr(e, 'strerror', None) or 'not text'}); bundled ones are {names}"
        ) from None


def _parse(where: str, text: str) -> dict:
    try:
        data = yaml.load(text, _Loader)
    except NOT_YAML as e:
        mark = getattr(e, "problem_mark", None)
        problem = getattr(e, "problem", None) or first_line(e)
        raise UserError(f"{where}: not YAML{f', line {mark.line + 1}' if mark else ''}: {problem}") from None
    if not isinstance(data, dict):
        raise UserError(f"{where}: expected a mapping of keys to values at the top")
    return data


def _override(data: dict, item: str) -> None:
    key, eq, value = item.partition("=")
    if not eq:
        raise UserError(f"--set {item}: expected key=value, as in poses.count=300")
    *parents, leaf = key.strip().split(".")
    section: Any = Recipe
    for name in parents:
        section, default = _field(section, name)
        data = data.setdefault(name, default)
        if not isinstance(data, dict):
            raise UserError(f"--set {item}: {name} is not a section")
    data[leaf] = parse_value(item, value)


def _field(section: Any, name: str) -> tuple[Any, dict]:
    """The type of a section's field, and what a recipe without it begins with: of a map its default, as one key alone is changed."""
    field = getattr(section, "model_fields", {}).get(name)
    if field is None:
        return None, {}
    return field.annotation, dict(field.get_default(call_default_factory=True)) if get_origin(field.annotation) is dict else {}


def parse_value(item: str, value: str) -> Any:
    """What `--set item` gives a key, as a recipe would have it."""
    try:
        return yaml.load(value, _Loader)
    except NOT_YAML:
        raise UserError(f"--set {item}: the value is not YAML") from None


def _sentence(error: ValidationError, data: dict) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    message = message[0].lower() + message[1:]
    if first["type"] == "extra_forbidden":
        return f"unknown key {key}{_did_you_mean(first['loc'])}"
    if first["type"] == "missing":
        return f"{key} is missing"
    return f"{key}: {message}, got {first['input']!r}" if key else message


def _did_you_mean(loc: tuple) -> str:
    model: Any = Recipe
    for part in loc[:-1]:
        field = getattr(model, "model_fields", {}).get(part)
        model = field.annotation if field else None
    known = list(getattr(model, "model_fields", {}))
    close = difflib.get_close_matches(str(loc[-1]), known, n=1)
    return f"; did you mean {close[0]}?" if close else (f"; expected one of {', '.join(known)}" if known else "")
