"""Sizes of a training by name, from profiles.yaml, as changes of a recipe."""

from importlib import resources

import yaml

from manifests.errors import UserError


def changes(name: str) -> list[str]:
    """`estimator.key=value` for every value of a profile; none without a name. Raises UserError."""
    known = yaml.safe_load((resources.files("estimator") / "profiles.yaml").read_text("utf-8"))
    if name and name not in known:
        raise UserError(f"--profile {name}: expected one of {', '.join(known)}")
    return [f"estimator.{key}={value}" for key, value in known.get(name, {}).items()]
