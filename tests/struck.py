"""Where processes that may be struck find the plan for it (tests/faults.py)."""

from pathlib import Path

VARIABLE = "SKEP_TEST_FAULTS"


def plan_file(folder: Path) -> Path:
    return folder / "faults.json"


def environment(folder: Path) -> dict[str, str]:
    """What a process needs to be struck."""
    return {VARIABLE: str(plan_file(folder))}
