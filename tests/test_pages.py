"""What follows from the index: card, Croissant, preview; and whether a dataset is what its index says."""

import hashlib
import json
import shutil
import subprocess
import sys

import pytest
import yaml

from manifests.dataset import CARD, PREVIEW, Dataset
from manifests.errors import UserError
from manifests.recipe_files import load_recipe
from pipeline.run import run
from stages.shards.card import card
from stages.shards.check import check_dataset
from stages.shards.croissant import croissant
from stages.shards.held_out import freeze
from stages.shards.index import BUNDLED, licence_of
from tests.chromium import PROGRAM
from tests.estimator.figures import write_index
from tests.sticks import SPECS, recipe

QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    run(recipe(card__creators=["A. Nybody"], card__published="2026-01-31"), str(folder), SPECS, quiet=True)
    return folder / "dataset"


def test_the_card_counts_what_the_index_counts(folder):
    index = Dataset(folder).index
    text = (folder / "README.md").read_text()
    assert text == card(index)
    head = yaml.safe_load(text.split("---")[1])
    assert head["license"] == "cc0-1.0" and head["size_categories"] == ["n<1K"]
    kept, planned = index.samples, index.planned
    assert f"{kept} drawings of people" in text and "A. Nybody" in text
    rejected = index.counted(outcome="rejected")[()]
    assert f"| rejected | poses | unlucky | {rejected} |" in text
    assert f"| {planned} |" in next(line for line in text.splitlines() if line.startswith("| planned |"))
    assert all(s.sha256 in text for s in index.shards)


def test_index_and_card_say_what_lay_in_the_files_that_the_recipe_names(tmp_path):
    (tmp_path / "mine.npz").write_bytes(b"a body")
    run(recipe(body={"path": str(tmp_path / "mine.npz")}), str(tmp_path / "run"), SPECS, quiet=True)
    index = Dataset(tmp_path / "run").index
    assert index.files == {"body.path": f"sha256:{hashlib.sha256(b'a body').hexdigest()}"} and index.recipe["body.path"] == "mine.npz"
    assert index.files["body.path"] in card(index) and "Stages and their versions: poses 1, select" in card(index)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("sketches.source=diffusion", ""),
        ("body.path=smpl.npz", "the body file"),
        ("poses.sources=[{kind: bvh, path: walks}]", "bvh poses"),
        ("sketches.diffusion.model=sd15", "the generator"),
        ("sketches.diffusion.controlnet=poses", "the generator"),
    ],
)
def test_the_licence_names_what_was_brought_in(change, named):
    assert licence_of(load_recipe("demo", [change])) == (f"not stated; the licences of {named} apply" if named else BUNDLED)


def test_mlcroissant_validates_and_reads(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("mlcroissant._src.operation_graph.operations.extract.EXTRACT_PATH", _epath(tmp_path))
    import mlcroissant

    assert (folder / "croissant.json").read_bytes() == croissant(Dataset(folder).index)
    dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    names = {record["pictures/sample_id"].decode() for record in dataset.records("pictures-records")}
    kept = [r["verdicts/sample_id"].decode() for r in dataset.records("verdicts-records") if r["verdicts/outcome"] == b"kept"]
    assert len(kept) == 24 and names == set(kept)


def _epath(path):
    from etils import epath

    return epath.Path(path)


def test_the_preview_shows_every_kind_and_loads_nothing(folder):
    text = (folder / "preview.html").read_text()
    assert "http" not in text.replace("http://www.w3.org", "")
    data = json.loads(text.split('id="data">')[1].split("</script>")[0])
    assert {s["outcome"] for s in data["lost"]} == {"rejected", "surplus"} and len(data["kept"]) == 24
    assert all(len(s["joints"]) == 32 and len(s["visibility"]) == 16 for s in data["kept"])


@pytest.mark.skipif(not PROGRAM, reason="no Chromium on this machine")
@pytest.mark.parametrize(("hash", "shown"), [("", 24), ("#outcome=rejected", None), ("#style=ink", 12)])
def test_the_preview_filters_in_a_browser(folder, tmp_path, hash, shown):
    address = f"{(folder / 'preview.html').as_uri()}{hash}"
    done = subprocess.run(
        [PROGRAM, *QUIET, f"--user-data-dir={tmp_path}", "--dump-dom", address], capture_output=True, text=True, timeout=120
    )
    expected = shown or Dataset(folder).index.counted(outcome="rejected")[()]
    assert done.stdout.count("<article") == expected
    assert done.stdout.count("<svg") == (expected if shown else 0)


def test_a_whole_dataset_has_no_problems(folder):
    assert list(check_dataset(Dataset(folder))) == []


def _copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def test_damaged_verdicts_and_swapped_shards_are_found(folder, tmp_path):
    copy = _copy(folder, tmp_path)
    (copy / "verdicts/000000.parquet").write_bytes(b"")
    first, second = sorted(copy.glob("train-*.tar"))[:2]
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    problems = list(check_dataset(Dataset(copy)))
    assert [p.split(str(copy))[1][1:7] for p in problems[:3]] == ["verdic", "train-", "train-"]
    assert "is whole, but not the shard that the index names" in problems[1]


def test_strangers_and_changed_pages_are_found(folder, tmp_path):
    copy = _copy(folder, tmp_path)
    shutil.copy(copy / "val-000000.tar", copy / "train-000009.tar")
    shutil.copy(copy / "verdicts/000000.parquet", copy / "verdicts/000009.parquet")
    for name in ("notes.txt", "train.tar.gz"):
        (copy / name).write_text("of the user's own")
    (copy / CARD).write_text("another")
    (copy / PREVIEW).write_bytes(b"")
    assert [p.removeprefix(f"{copy}/").partition(":")[0].partition(" ")[0] for p in check_dataset(Dataset(copy))] == [
        "train-000009.tar", "verdicts/000009.parquet", CARD, PREVIEW,
    ]  # fmt: skip


def test_a_shard_of_the_other_split_is_found(folder, tmp_path):
    copy = _copy(folder, tmp_path)
    shutil.copy(copy / "val-000000.tar", copy / "train-000000.tar")
    write_index(copy, {"train-000000.tar": 4, "val-000000.tar": 4})
    assert any("belongs to the val split" in p for p in check_dataset(Dataset(copy)))


def test_verify_looks_at_a_dataset_alone(folder, tmp_path):
    copy = _copy(folder, tmp_path)
    done = subprocess.run([sys.executable, "-m", "pipeline", "verify", str(copy)], capture_output=True, text=True)
    assert done.returncode == 0 and "nothing is on two sides" in done.stdout, done.stderr
    shard = copy / "val-000000.tar"
    shard.write_bytes(shard.read_bytes()[:-1])
    done = subprocess.run([sys.executable, "-m", "pipeline", "verify", str(copy)], capture_output=True, text=True)
    assert done.returncode == 1 and "val-000000.tar, byte" in done.stdout


def test_only_a_fit_dataset_is_frozen(folder, tmp_path):
    with pytest.raises(UserError, match=r"dataset\.json: expected 100 val samples of each style and no others, got "):
        freeze(Dataset(folder), tmp_path / "val")
    made = tmp_path / "run"
    run(recipe(12, split__val=1), str(made), SPECS, quiet=True)
    size = freeze(Dataset(made), tmp_path / "val", per_style=6, styles=("ink", "stick"))
    frozen = Dataset(tmp_path / "val")
    assert size == sum(s.bytes for s in frozen.index.shards) and frozen.digest == Dataset(made).digest
    assert list(check_dataset(frozen)) == []
    assert freeze(Dataset(made), tmp_path / "val", per_style=6, styles=("ink", "stick")) == size  # the same again is no other
    assert any("has nearly the pose of val sample" in p for p in check_dataset(Dataset(folder), frozen))
