"""`report.html`: its numbers are those of the tables, and a browser shows it whole, with WebGL and without, asking for nothing else.

Set SKEP_SCREENSHOTS to a folder to see the pages.
"""

import json
import os
import shutil
from base64 import b64decode
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from estimator.evaluate import evaluate
from estimator.train import train
from manifests.dataset import Dataset
from manifests.errors import UserError
from manifests.evaluation import FOLDER, PAIRED, RESULT, SAMPLES
from manifests.randomness import order_key
from manifests.schema import rows_of
from manifests.skeleton import LEFT_HIP, RIGHT_HIP
from pipeline.commit import Marker
from pipeline.cost import bytes_per_sample, measured_rates
from pipeline.partitions import partition_of
from pipeline.plan import Pipeline
from pipeline.report import samples
from pipeline.report.folder import PASSED, Folder
from pipeline.report.report import report, told
from pipeline.run import run
from pipeline.status import frozen_recipe
from pipeline.store import Store
from stages.body.coarse import Coarse, thinned
from stages.body.model import load_body
from tests.chromium import PROGRAM, Browser
from tests.commands import skep
from tests.sticks import SPECS, recipe

BODY = Coarse()
TITLE = "</script><script>alert(1)</script>{{data}} & <b>sticks</b>"


@pytest.fixture(scope="module")
def finished(smoke_run, tmp_path_factory) -> Path:
    """A copy of the smoke run with a trained and evaluated estimator."""
    folder = shutil.copytree(smoke_run, tmp_path_factory.mktemp("report") / "run")
    train(folder / "dataset", folder / FOLDER / "pose2pose", frozen_recipe(Store(str(folder))).estimator, 1, None, log=lambda _: None)
    evaluate(folder / "dataset", folder / FOLDER, None, folder / "dataset", log=lambda _: None)
    return folder


@pytest.fixture(scope="module")
def sticks(tmp_path_factory) -> Path:
    """A finished run of one fast stage, with a title that is not for reading."""
    folder = tmp_path_factory.mktemp("sticks") / "run"
    run(recipe(card__title=TITLE), str(folder), SPECS, quiet=True)
    return folder


def _folder(path: Path, specs=None) -> Folder:
    store = Store(str(path))
    more = {"specs": specs} if specs else {}
    return Folder(Pipeline(frozen_recipe(store), store=store, **more), store)


def _page(path: Path, specs=None) -> bytes:
    folder = _folder(path, specs)
    return report(folder.pipeline, folder.store, BODY)


@pytest.fixture(scope="module")
def page(finished) -> dict:
    return told(_folder(finished), BODY)


def _rows(folder: Path, stage: str) -> list[dict]:
    return [row for file in sorted((folder / stage).glob("*.parquet")) for row in pq.ParquetFile(file).read().to_pylist()]


def test_outcomes_and_reasons_are_those_of_the_index(finished, page):
    index = Dataset(finished).index
    by_style = {(kind, style): n for style, kinds in page["outcomes"]["styles"].items() for kind, n in kinds.items() if n}
    assert by_style == index.counted("outcome", "style")
    assert page["outcomes"]["splits"] == {split: index.counted(outcome="kept", split=split).get((), 0) for split in ("train", "val")}
    groups = {(g["outcome"], g["stage"], g["reason"]): g["samples"] for g in page["losses"]}
    assert groups == {key: n for key, n in index.counted("outcome", "stage", "reason").items() if key[0] != "kept"}
    assert [g["samples"] for g in page["losses"]] == sorted(groups.values(), reverse=True)
    assert page["dataset"]["bytes"] == sum(s.bytes for s in index.shards)


def test_galleries_hold_what_was_kept_in_the_datasets_order(finished, page):
    kept = {row["sample_id"]: row for row in _rows(finished, "select") if row["outcome"] == "kept"}
    for style, ids in page["gallery"].items():
        of_style = [i for i in kept if kept[i]["style"] == style]
        assert ids == sorted(of_style, key=lambda i: order_key(page["seed"], i))[: samples.OF_A_STYLE]
    shown = {i for g in page["losses"] for i in g["shown"]} | {i for ids in page["gallery"].values() for i in ids}
    assert set(page["samples"]) == shown
    assert all(record["picture"] and record["moves"] for record in page["samples"].values())
    labels = {row["sample_id"]: row for row in _rows(finished, "projections")}
    for sample_id in page["gallery"]["stick"]:
        assert page["samples"][sample_id]["joints"] == pytest.approx([1000 * v / 128 for v in labels[sample_id]["joints2d"]], abs=0.51)


def test_many_samples_show_a_bounded_number(finished, monkeypatch):
    monkeypatch.setattr(samples, "OF_A_STYLE", 2)
    monkeypatch.setattr(samples, "OF_A_REASON", 1)
    few = told(_folder(finished), BODY)
    assert all(len(ids) == 2 for ids in few["gallery"].values()) and all(len(g["shown"]) == 1 for g in few["losses"])


def test_distributions_count_every_row_of_both_groups(finished, page):
    verdicts = {row["sample_id"]: row["outcome"] for row in _rows(finished, "select")}
    facts = {fact["name"]: fact for fact in page["facts"]}
    for group, outcome in (("kept", "kept"), ("lost", "rejected")):
        rows = [r for r in _rows(finished, "projections") if verdicts[r["sample_id"]] == outcome]
        told_words = dict(zip(facts["proportions"]["words"], facts["proportions"][group], strict=True))
        assert {word: n for word, n in told_words.items() if n} == Counter(r["proportions"] for r in rows)
        assert sum(facts["facing"][group]) == len(rows) and sum(facts["arms"][group]) == 2 * len(rows)
        inside = [0 <= v < 128 for r in rows for v in r["joints2d"]]
        assert sum(facts["heads in the picture"][group]) == sum(inside[32 * i] and inside[32 * i + 1] for i in range(len(rows)))
        oks = [r["score_oks"] for r in _rows(finished, "filter") if verdicts[r["sample_id"]] == outcome]
        assert facts["oks"][group] == np.histogram(oks, 24, (0, 1))[0].tolist()


def test_a_plan_reckons_with_the_bytes_that_were_packed(finished):
    shards = Dataset(str(finished / "dataset")).index.shards
    packed = sum(shard.bytes for shard in shards) / sum(shard.samples for shard in shards)
    assert bytes_per_sample(frozen_recipe(Store(str(finished))), Store(str(finished))) == pytest.approx(packed)


def test_times_are_those_of_the_event_log(finished, page):
    rates = measured_rates(Store(str(finished)))
    stages = [stage for stage in page["stages"] if stage["rows"]]
    assert len(stages) == 7
    for stage in stages:
        assert stage["seconds"] == pytest.approx(rates[stage["name"]] * stage["rows"], abs=6e-4)  # told to a millisecond
    assert all(s["units"] == {"done": sum(s["units"].values())} for s in page["stages"])
    for stage in page["stages"][:4]:
        assert stage["curve"][-1][1] == stage["rows"] and stage["curve"] == sorted(stage["curve"])


def test_metrics_are_those_of_the_evaluation(finished, page):
    results = json.loads((finished / FOLDER / RESULT).read_text())
    assert page["results"]["values"] == results and page["results"]["paired"] == json.loads((finished / FOLDER / PAIRED).read_text())
    table = pq.ParquetFile(finished / FOLDER / SAMPLES).read().to_pylist()
    errors = {r["sample_id"]: r["metric_pa_mpjpe"] for r in table if r["method"] == "pose2pose"}
    assert np.mean(list(errors.values())) == pytest.approx(results["pose2pose"]["all"]["pa_mpjpe"]["value"], rel=1e-4)
    worst = page["judged"]["worst"]
    assert list(worst) == ["bundled", "pose2pose"] and set(page["judged"]["truth"]) == set(errors)
    assert [r["sample_id"] for r in worst["pose2pose"]] == sorted(errors, key=lambda i: (-errors[i], i))
    assert sum(page["judged"]["errors"]["pose2pose"]) == len(errors) == page["judged"]["samples"]


def test_equal_runs_give_equal_bytes(finished):
    assert _page(finished) == _page(finished)


def test_a_run_of_a_bucket_can_be_reported(sticks, s3):
    folder = _folder(sticks, SPECS)
    store = Store(f"{s3}/reported")
    for file in sorted(p for p in sticks.rglob("*") if p.is_file()):
        store.write(str(file.relative_to(sticks)), file.read_bytes())
    there = report(Pipeline(frozen_recipe(store), SPECS, store), store, BODY)
    assert there == report(folder.pipeline, folder.store, BODY)


def test_a_run_that_has_only_begun(tmp_path):
    run(recipe(), str(tmp_path), SPECS, until="poses", quiet=True)
    page = told(_folder(tmp_path, SPECS), BODY)
    passed = [row["sample_id"] for row in _rows(tmp_path, "poses") if not row["reason"]]
    assert not page["outcomes"]["judged"] and page["dataset"] is page["results"] is page["judged"] is None
    assert {style: kinds[PASSED] for style, kinds in page["outcomes"]["styles"].items()} == Counter(i.rpartition("-")[0] for i in passed)
    assert {i for ids in page["gallery"].values() for i in ids} == set(passed)
    assert page["losses"][0]["reason"] == "unlucky" and all(page["samples"][i]["outcome"] == PASSED for i in passed)


def test_a_cleaned_run_keeps_its_counts(sticks, tmp_path):
    folder = shutil.copytree(sticks, tmp_path / "run")
    before = told(_folder(folder, SPECS), BODY)
    for file in (folder / "poses").glob("*.parquet"):
        file.unlink()
    for file in (folder / "poses").glob("*.done.json"):
        file.write_bytes(_marker(file))
    after = told(_folder(folder, SPECS), BODY)
    assert after["outcomes"] == before["outcomes"] and after["facts"] == []
    assert after["gallery"] == before["gallery"] and not any("moves" in record for record in after["samples"].values())


def _marker(file: Path) -> bytes:
    """The marker as `skep clean` leaves it."""
    return replace(Marker.from_bytes(file.read_bytes(), file.name), cleaned=True).to_bytes()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("dataset/dataset.json", b"{}", r"dataset\.json: not a dataset index"),
        (f"{FOLDER}/evaluation.json", b'{"mean_pose": {"all": {"mpjpe": 3}}}', r"evaluation\.json: not what `skep evaluate` writes"),
        (f"{FOLDER}/evaluation.json", b"\xff", r"evaluation\.json: not what `skep evaluate` writes"),
        (f"{FOLDER}/paired.json", b"[]", r"paired\.json: not what"),
        (f"{FOLDER}/judged.parquet", b"PAR1", r"judged\.parquet: damaged"),
        ("select/round-0.parquet", b"PAR1", r"select/round-0\.parquet is damaged"),
    ],
)
def test_damage_is_a_sentence(finished, tmp_path, name, content, sentence):
    folder = shutil.copytree(finished, tmp_path / "run")
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=sentence):
        _page(folder)


def test_the_command_writes_the_page_or_a_sentence(finished, tmp_path):
    done = skep("report", finished, "--out", tmp_path / "there/page.html")
    assert done.returncode == 0 and "page.html: " in done.stdout, done.stderr
    assert (tmp_path / "there/page.html").read_bytes() == _page(finished)
    folder = skep("report", finished, "--out", tmp_path / "there")
    assert folder.returncode == 2 and "there: cannot write there (Is a directory)" in folder.stderr
    assert [p.name for p in tmp_path.rglob("*")] == ["there", "page.html"]
    missing = skep("report", tmp_path / "nothing")
    assert missing.returncode == 2 and missing.stderr.count("\n") == 1 and "not a run folder" in missing.stderr


def test_a_thinned_body_keeps_its_form():
    """Skinned as a page does it, every vertex that is left lies where the whole body has it."""
    body, rng = load_body(), np.random.default_rng(3)
    chosen, faces = thinned(body)
    assert len(chosen) < len(body.template) / 3 and faces.max() < len(chosen) == len(BODY.skin.vertices)
    pose, betas, scales = rng.normal(0, 0.4, (24, 3)), rng.normal(0, 1, 10), np.exp(rng.normal(0, 0.1, 24))
    placed, posed = BODY.place(pose, betas, scales), body.pose(pose, betas, scales)
    rest = np.concatenate([BODY.skin.vertices + BODY.skin.shapes @ betas, np.ones((len(chosen), 1))], 1)
    skinned = np.einsum("vk,vkab,vb->va", BODY.skin.weights, placed.moves[BODY.skin.bones], rest)
    hips = posed.joints16[[RIGHT_HIP, LEFT_HIP]].mean(0)
    true = (posed.vertices[chosen] - hips) * (1, -1, -1)
    assert np.allclose(skinned, true, atol=1e-6)
    assert np.allclose(placed.joints16, (posed.joints16 - hips) * (1, -1, -1))


@pytest.fixture
def shown(finished, tmp_path) -> str:
    (tmp_path / "report.html").write_bytes(_page(finished))
    return (tmp_path / "report.html").as_uri()


needs_chromium = pytest.mark.skipif(not PROGRAM, reason="no Chromium on this machine")
LOADED = "document.readyState === 'complete' && document.querySelector('#recipe details')"
# Share of a canvas that something was drawn on.
DRAWN = """(() => { const c = document.querySelector('.rounds canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
  let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n / (c.width * c.height) })()"""


@needs_chromium
@pytest.mark.parametrize(("webgl", "how"), [(True, "webgl"), (False, "limbs")])
def test_a_browser_shows_everything_and_asks_for_nothing(shown, page, tmp_path, webgl, how):
    with Browser(tmp_path / "profile", webgl) as browser:
        browser.watch()
        browser.emulate(1440, 900, prefers_reduced_motion="reduce")
        browser.open(shown)
        browser.wait(LOADED)
        assert browser.ask("document.title") == "smoke: skep report"
        ids = [i for ids in page["gallery"].values() for i in ids]
        assert browser.ask("[...document.querySelectorAll('#gallery .card figcaption')].map(c => c.textContent)") == ids
        browser.ask("document.querySelectorAll('img').forEach(i => { i.loading = 'eager' })")
        browser.wait("[...document.images].every(i => i.complete)")
        assert browser.ask("[...document.images].every(i => i.naturalWidth > 0)") and browser.ask("document.images.length") > len(ids)
        assert browser.ask("document.querySelectorAll('.chart svg').length") >= len(page["facts"])
        browser.ask("document.querySelector('.rounds').scrollIntoView()")
        browser.wait(f"document.querySelector('.rounds canvas').dataset.drawn === '{how}'")
        assert 0.02 < browser.ask(DRAWN) < 0.9
        assert browser.ask("document.documentElement.scrollWidth <= innerWidth")
        assert browser.requests() == [shown] and browser.errors() == []


@needs_chromium
def test_figures_stand_in_the_page_as_the_body_model_poses_them(shown, finished, tmp_path):
    body = load_body()
    chosen = thinned(body)[0]
    with Browser(tmp_path / "profile") as browser:
        browser.open(shown)
        browser.wait(LOADED)
        sample_id = browser.ask("Object.keys(page.samples).find(id => page.samples[id].outcome === 'kept')")
        there = np.reshape(browser.ask(f"[...posed(page.samples['{sample_id}'])]"), (-1, 3))
    folder = _folder(finished)
    unit = partition_of(sample_id, folder.pipeline.recipe.partition_size).name
    (row,) = rows_of(folder.reader.gather(("pose", "betas", "bone_scales"), unit, pa.chunked_array([[sample_id]])))
    posed = body.pose(row["pose"], row["betas"], row["bone_scales"])
    true = (posed.vertices[chosen] - posed.joints16[[RIGHT_HIP, LEFT_HIP]].mean(0)) * (1, -1, -1)
    assert np.linalg.norm(there - true, axis=1).max() < 0.002


@needs_chromium
def test_failures_are_sorted_and_filtered(shown, page, tmp_path):
    worst = page["judged"]["worst"]["pose2pose"]
    cards = "[...document.querySelectorAll('#failure-cards figcaption')].map(c => c.textContent.split(' ').at(-1))"

    def choose(name, value):
        select = f"document.getElementById('failure-{name}')"
        return f"{select}.value = '{value}'; {select}.dispatchEvent(new Event('change'))"

    with Browser(tmp_path / "profile", webgl=True) as browser:
        browser.emulate(1440, 900, prefers_reduced_motion="reduce")
        browser.open(shown)
        browser.wait(LOADED)
        browser.ask(choose("method", "pose2pose"))
        assert browser.ask(cards) == [r["sample_id"] for r in worst]
        browser.ask(choose("order", "pck"))
        assert browser.ask(cards) == [r["sample_id"] for r in sorted(worst, key=lambda r: (r["scores"]["pck"], r["sample_id"]))]
        browser.ask(choose("style", style := worst[0]["style"]))
        browser.ask(choose("order", "mpjpe"))
        some = sorted((r for r in worst if r["style"] == style), key=lambda r: -r["scores"]["mpjpe"])
        assert browser.ask(cards) == [r["sample_id"] for r in some]
        browser.ask("document.querySelector('#failure-cards .card').click()")
        browser.wait("document.querySelector('#viewer canvas').dataset.drawn === 'webgl'")
        assert browser.ask("document.getElementById('viewer-title').textContent") == some[0]["sample_id"]
        browser.press("ArrowRight")
        assert browser.ask("document.getElementById('viewer-title').textContent") == some[1 % len(some)]["sample_id"]
        browser.press("Escape")
        assert not browser.ask("document.getElementById('viewer').open")


@needs_chromium
def test_titles_are_text_and_missing_parts_are_sentences(sticks, tmp_path):
    (tmp_path / "report.html").write_bytes(_page(sticks, SPECS))
    with Browser(tmp_path / "profile") as browser:
        browser.watch()
        browser.emulate(390, 844)
        browser.open((tmp_path / "report.html").as_uri())
        browser.wait(LOADED)
        assert browser.ask("document.getElementById('title').textContent") == TITLE
        assert "No model was evaluated" in browser.ask("document.getElementById('accuracy').textContent")
        assert "nothing is known of its failures" in browser.ask("document.getElementById('failures').textContent")
        assert browser.ask("document.documentElement.scrollWidth") == 390
        assert browser.errors() == []


@needs_chromium
def test_six_methods_are_told_apart(shown, tmp_path):
    """As many as `make evaluate` judges: both baselines, the bundled model and the trained one, both also refined."""
    methods = "[...'abcdef'].map((name, i) => [name, colour(METHODS[i % 4]), [1, 2, 3]])"
    charts = (f"intervals('', '', [['all', {methods}.map(() => [1, 0, 2])]], {methods}, 'mm')", f"errors('', '', [0, 3], {methods}, 'mm')")
    with Browser(tmp_path / "profile") as browser:
        browser.open(shown)
        browser.wait(LOADED)
        for chart in charts:
            signs = browser.ask(f"[...({chart}).querySelectorAll('.legend svg')].map(sign => sign.innerHTML)")
            assert len(set(signs)) == 6


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1440, 900)])
def test_it_fits_phones_and_desks(shown, tmp_path, width, height, scheme):
    with Browser(tmp_path / "profile", webgl=True) as browser:
        browser.emulate(width, height, prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
        browser.open(shown)
        browser.wait(LOADED)
        assert browser.ask("document.documentElement.scrollWidth <= innerWidth")
        back, ink = (browser.ask(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color"))
        light = [sum(map(int, text[4:-1].split(","))) / 3 for text in (back, ink)]
        assert (light[0] > 220 and light[1] < 60) if scheme == "light" else (light[0] < 60 and light[1] > 220)
        for part in ("outcome", "round", "facts", "accuracy", "failures"):
            browser.ask(f"document.getElementById('{part}').scrollIntoView()")
            _keep(browser, f"{width}-{scheme}-{part}")


def _keep(browser: Browser, name: str) -> None:
    folder = os.environ.get("SKEP_SCREENSHOTS")
    if folder:
        browser.ask("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        (Path(folder) / f"report-{name}.png").write_bytes(b64decode(browser.screenshot()))
