"""What a reviewer does: look through samples by style, verdict and score; decide, and take back. No HTTP here."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import asdict
from threading import Lock

from manifests.errors import UserError
from manifests.stage import KEEP, REJECT
from pipeline.decisions import decide, read_decisions
from pipeline.review.samples import Sample, Samples
from pipeline.store import Store

MOST = 500  # samples in one answer


class Session:
    """One reviewer at work. Every decision is on disk when `decide` returns."""

    def __init__(self, samples: Samples, store: Store):
        self.samples, self._store = samples, store
        self._decisions = read_decisions(store)
        self._undo: list[tuple[str, str]] = []  # sample and what had been decided before
        self._lock = Lock()

    def page(self, asked: Mapping[str, str]) -> dict:
        """Samples that match, `limit` of them. Keys: style, state, reason, score, low, high, after, before, limit.

        state: passed, rejected, keep, reject or undecided. With a score, the lowest come first. after, before: the sample that they
        follow or precede in this order, whether it matches itself or does no more, now that it is decided.
        """
        score = asked.get("score", "")
        place = lambda sample: (sample.scores.get(score, 0.0), sample.sample_id)  # noqa: E731
        found = sorted((s for s in self.samples.by_id.values() if self._matches(s, asked)), key=place)
        limit = int(min(_number(asked, "limit", 60), MOST))
        if "before" in asked:
            end = bisect_left(found, place(self._named(asked["before"])), key=place)
            first = max(0, end - limit)
        else:
            first = bisect_right(found, place(self._named(asked["after"])), key=place) if "after" in asked else 0
            end = first + limit
        rows = [self._shown(s) for s in found[first:end]]
        return {"total": len(found), "offset": first, "rows": rows, "decided": len(self._decisions)}

    def choices(self) -> dict:
        """What can be asked for: styles, scores and reasons that occur, with the number of samples of each style and reason."""
        samples = self.samples.by_id.values()
        styles, reasons = ([getattr(s, name) for s in samples] for name in ("style", "reason"))
        count = lambda values: {value: values.count(value) for value in sorted(set(values) - {""})}  # noqa: E731
        return {"styles": count(styles), "reasons": count(reasons), "scores": list(next(iter(samples)).scores)}

    def decide(self, sample_id: str, decision: str) -> dict:
        """KEEP, REJECT or, to decide nothing, an empty text; gives the sample as `page` does. Raises UserError for anything else."""
        self._named(sample_id)
        if decision not in (KEEP, REJECT, ""):
            raise UserError(f"expected {KEEP}, {REJECT} or nothing, got {decision!r}")
        with self._lock:
            before = self._decisions.get(sample_id, "")
            saved = self._save(sample_id, decision)
            self._undo.append((sample_id, before))
            return saved

    def undo(self) -> dict:
        """Take back the last decision of this session; empty where there is none."""
        with self._lock:
            taken_back = self._save(*self._undo[-1]) if self._undo else {}
            del self._undo[-1:]
            return taken_back

    def _save(self, sample_id: str, decision: str) -> dict:
        decide(self._store, sample_id, decision)
        self._decisions = read_decisions(self._store)
        return {**self._shown(self.samples.find(sample_id)), "decided": len(self._decisions)}

    def _named(self, sample_id: str) -> Sample:
        if sample_id not in self.samples.by_id:
            raise UserError(f"expected the id of a sample, got {sample_id!r}")
        return self.samples.by_id[sample_id]

    def _shown(self, sample: Sample) -> dict:
        return {**asdict(sample), "decision": self._decisions.get(sample.sample_id, "")}

    def _matches(self, sample: Sample, asked: Mapping[str, str]) -> bool:
        decision, state = self._decisions.get(sample.sample_id, ""), asked.get("state", "")
        states = {"", decision or "undecided", "rejected" if sample.reason else "passed"}
        named = all(asked.get(name, "") in ("", getattr(sample, name)) for name in ("style", "reason"))
        value = sample.scores.get(asked.get("score", ""), 0.0)
        return named and state in states and _number(asked, "low", -1e9) <= value <= _number(asked, "high", 1e9)


def _number(asked: Mapping[str, str], name: str, default: float) -> float:
    if not asked.get(name):
        return default
    try:
        value = float(asked[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(f"{name}: expected a number, got {asked[name]!r}")
    return max(value, 0.0)
