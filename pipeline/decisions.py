"""What reviewers decided: one line a sample, kept beside the tables; a stage that heeds them is stale once they change.

The file follows from the decisions alone, not from when or in which order they were made, so that what is taken back leaves no trace.
"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from manifests.errors import UserError
from manifests.stage import KEEP, REJECT
from pipeline.commit import digest_of
from pipeline.store import Store

FILE, _LOCK = "review/decisions.jsonl", "review/.lock"


def read_decisions(store: Store) -> dict[str, str]:
    """KEEP or REJECT by sample id, sorted by id. Raises UserError naming the line that is not a decision."""
    try:
        lines = store.read(FILE).decode().splitlines()
    except FileNotFoundError:
        return {}
    except UnicodeDecodeError:
        raise UserError(f"{store.url}: {FILE} is not text") from None
    return dict(_decision(line, f"{store.url}: {FILE}, line {i + 1}") for i, line in enumerate(lines))


def decide(store: Store, sample_id: str, decision: str) -> None:
    """Save one decision, on disk when this returns; an empty one takes back what was decided.

    The file is read first: what another reviewer has saved meanwhile stays.
    """
    with _alone(store):
        decisions = read_decisions(store)
        decisions.pop(sample_id, None)
        if decision:
            decisions[sample_id] = decision
        lines = [json.dumps({"sample_id": i, "decision": decisions[i]}) + "\n" for i in sorted(decisions)]
        store.write(FILE, "".join(lines).encode())


def summary(decisions: dict[str, str]) -> str:
    """How many decisions, and a digest of them: what a marker records. Empty where there are none."""
    return f"{len(decisions)} decisions, {digest_of(decisions)}" if decisions else ""


@contextmanager
def _alone(store: Store) -> Iterator[None]:
    """Nobody else decides meanwhile. Object stores have no such lock: there is one reviewer at a time."""
    if not store.is_local:
        yield
        return
    path = Path(store.path(_LOCK))
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _decision(line: str, where: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
        sample_id, decision = row["sample_id"], row["decision"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f'{where}: expected {{"sample_id": …, "decision": "{KEEP}" or "{REJECT}"}}') from None
    if not isinstance(sample_id, str) or decision not in (KEEP, REJECT):
        raise UserError(f"{where}: the decision is {decision!r}, expected {KEEP} or {REJECT}")
    return sample_id, decision
