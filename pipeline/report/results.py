"""What `skep evaluate` found, and the sketches on which each model is farthest off."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.evaluation import FOLDER, PAIRED, RELIABILITY, RESULT, SAMPLES, Reliability, Results, read_json, read_judged
from manifests.schema import METRIC, METRICS, TRUTH, rows_of
from manifests.stage import Fact
from pipeline.report.counts import counted
from pipeline.report.samples import as_text, placed
from pipeline.store import Store

WORST, ERROR, BINS = 60, "pa_mpjpe", 20
_ERRORS = f"{METRIC}{ERROR}"


def results(store: Store) -> dict[str, Any] | None:
    """Metrics of every method, differences between them, trust in their confidence; None where nothing was evaluated."""
    if not _has(store, RESULT):
        return None
    found = {name: _json(store, file, kind) for name, file, kind in _FILES}
    about = [{"name": f.name, **{k.decode(): v.decode() for k, v in f.metadata.items()}} for f in METRICS]
    return {"metrics": about, **found}


_FILES = (("values", RESULT, Results), ("paired", PAIRED, Results), ("trust", RELIABILITY, Reliability))


def judged(store: Store, body: Any) -> dict[str, Any] | None:
    """Of every trained model: how its errors are distributed, and the sketches where they are greatest, worst first."""
    if not _has(store, SAMPLES):
        return None
    table = read_judged(_read(store, SAMPLES), f"{store.url}: {FOLDER}/{SAMPLES}")
    truth = table.filter(pc.equal(table["method"], TRUTH))
    methods = [m for m in pc.unique(table["method"]).to_pylist() if m != TRUTH]
    of = {method: table.filter(pc.equal(table["method"], method)) for method in methods}
    high = max(float(np.nan_to_num(rows[_ERRORS].to_numpy()).max()) for rows in of.values())
    bounds = (0.0, max(10.0, float(-(-high // 10) * 10)))
    errors = {m: counted(Fact(ERROR, rows[_ERRORS].to_numpy(), bounds=bounds, bins=BINS)).tolist() for m, rows in of.items()}
    worst = {method: _worst(rows) for method, rows in of.items() if method in _trained(store)}
    shown = sorted({row["sample_id"] for rows in worst.values() for row in rows})
    labels = rows_of(truth.filter(pc.is_in(truth["sample_id"], pa.array(shown, pa.string()))))
    return {
        "error": ERROR, "bounds": bounds, "errors": errors, "samples": len(truth),
        "truth": {row["sample_id"]: {**_figure(row, body), "picture": as_text(row["jpeg"])} for row in labels},
        "worst": {method: [{**_figure(row, body), **_metrics(row)} for row in rows] for method, rows in worst.items()},
    }  # fmt: skip


def _worst(rows: pa.Table) -> list[dict]:
    """Rows with the greatest errors; equal ones by id."""
    order = np.lexsort((rows["sample_id"].to_pylist(), -rows[_ERRORS].to_numpy()))
    return list(rows_of(rows.take(order[:WORST])))


def _trained(store: Store) -> set[str]:
    """Methods that look at the sketch, and so say how sure they are."""
    return set(_json(store, RELIABILITY, Reliability))


def _figure(row: dict, body: Any) -> dict[str, Any]:
    joints = np.round(1000 * np.nan_to_num(row["joints2d"])).astype(int).ravel().tolist()
    return {"sample_id": row["sample_id"], "style": row["style"], "joints": joints, **placed(body.of_row(row))}


def _metrics(row: dict) -> dict[str, dict[str, float | None]]:
    return {"scores": {name: None if np.isnan(value := row[f"{METRIC}{name}"]) else round(value, 3) for name in METRICS.names}}


def _has(store: Store, name: str) -> bool:
    return store.exists(f"{FOLDER}/{name}")


def _json(store: Store, name: str, kind: Any) -> Any:
    return read_json(kind, _read(store, name), f"{store.url}: {FOLDER}/{name}") if _has(store, name) else {}


def _read(store: Store, name: str) -> bytes:
    return store.read(f"{FOLDER}/{name}")
