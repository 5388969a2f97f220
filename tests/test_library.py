"""Libraries of drawings: who drew them, what is in them, who learns from them."""

import multiprocessing
import os
import signal

import numpy as np
import pytest
import torch

from estimator.data import Sketches
from manifests.dataset import Dataset
from manifests.errors import UserError
from manifests.skeleton import STYLES
from stages.detector.drawings import load_drawings
from stages.library import draw, from_shards
from stages.library.chunks import Chunk, chunk_path, chunks_of, claim, label_of
from stages.library.studio import recipe_of
from stages.sketches.generator.library import Library
from stages.tensorfile import read_tensors, write_tensors
from stages.wholefile import write_json
from tests.estimator.figures import SIZE, write_dataset

RECIPE = recipe_of(draw.SEED, 128)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A chunk of each split, a drawing of each style. Read only."""
    library = tmp_path_factory.mktemp("library")
    draw.fill(library, RECIPE, {"train": 1, "val": 6}, each=1, log=lambda _: None)
    return library


def test_detector_and_generator_learn_from_the_same_drawings(drawn):
    train, held = load_drawings(drawn, "train"), load_drawings(drawn, "val", 4)
    assert len(train) == len(STYLES) and len(held) == 4 and sorted(train.styles) == list(range(6))
    library, inside = Library(chunks_of(drawn, "train"), 128, label_of(drawn)), []
    for row in range(len(library)):
        entry = library[row]
        assert np.array_equal(entry.picture, train.picture(row)) and entry.style == STYLES[train.styles[row]]
        x, y = train.joints[row][train.visibility[row] == 2].T.round().astype(int)
        inside += entry.parts[y.clip(0, 127), x.clip(0, 127)].any(-1).tolist()
    assert np.mean(inside) > 0.9  # the maps are of the bodies that are drawn; toes lie on their rims
    ids = [set(Chunk(*chunks_of(drawn, split)).words["ids"]) for split in ("train", "val")]
    assert not ids[0] & ids[1]


def test_what_is_drawn_is_left_and_what_lacks_is_drawn_alike(drawn, tmp_path):
    before = chunk_path(drawn, "train", "00000").stat().st_mtime_ns
    draw.fill(drawn, RECIPE, {"train": 6}, each=1)
    assert chunk_path(drawn, "train", "00000").stat().st_mtime_ns == before
    draw.fill(tmp_path, RECIPE, {"train": 1}, each=1, workers=2, log=lambda _: None)
    assert chunk_path(tmp_path, "train", "00000").read_bytes() == chunk_path(drawn, "train", "00000").read_bytes()
    for other, each in ((recipe_of(draw.SEED + 1, 128), 1), (recipe_of(draw.SEED, 256), 1), (RECIPE, 2)):
        with pytest.raises(UserError, match="drawn from another recipe"):
            draw.fill(drawn, other, {}, each=each)


def _write_often(folder):
    for number in range(60):
        claim(folder, "somebody")
        write_json(folder / "library.json", {"drawn_by": "somebody"}, shared=True)
        write_tensors(chunk_path(folder, "train", "00000"), {"x": torch.full((4096,), number)}, {}, shared=True)


def test_several_processes_fill_one_library(tmp_path):
    """They may write the same file in the same instant: it is whole at any time, and nobody's is lost."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(_write_often, [tmp_path, tmp_path])
    tensors, _ = read_tensors(chunk_path(tmp_path, "train", "00000"))
    assert label_of(tmp_path) == "somebody" and len(tensors["x"].unique()) == 1
    assert not list(tmp_path.rglob(".*"))


def be_killed(job):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_drawing_process_that_is_killed_ends_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(draw, "_draw", be_killed)
    with pytest.raises(UserError, match=f"{tmp_path}: a drawing process was killed; the same command goes on"):
        draw.fill(tmp_path, RECIPE, {"train": 12}, each=1, workers=2, log=lambda _: None)
    assert not multiprocessing.active_children()


def test_as_many_chunks_are_read_as_are_asked_for(drawn, tmp_path):
    (tmp_path / "val").mkdir()
    for name in ("00000", "00001", "00002"):
        chunk_path(tmp_path, "val", name).symlink_to(chunk_path(drawn, "val", "00000"))
    assert [len(chunks_of(tmp_path, "val", most)) for most in (1, 6, 7, 18, 19, None)] == [1, 1, 2, 3, 3, 3]


def test_sketches_of_a_dataset_are_drawings_to_learn_from(tmp_path):
    dataset = Dataset(write_dataset(tmp_path / "dataset", {"train": range(5), "val": range(5, 8)}))
    library = tmp_path / "library"
    assert from_shards.fill(dataset, library) == 8
    train, held = load_drawings(library, "train"), load_drawings(library, "val")
    sample = Sketches(dataset.url, "train", SIZE)[0]
    assert (len(train), len(held), Chunk(*chunks_of(library, "train")).words["ids"][0]) == (5, 3, sample.sample_id)
    assert STYLES[train.styles[0]] == sample.style and np.array_equal(train.picture(0), sample.image)
    for ours, theirs in ((train.joints, sample.joints2d), (train.visibility, sample.visibility), (train.boxes, sample.bbox)):
        assert np.array_equal(ours[0], theirs)
    entry = Library(chunks_of(library, "train"), SIZE)[0]
    assert entry.pose.any() and not entry.parts.any()  # a dataset has no part maps
    other = Dataset(write_dataset(tmp_path / "other", {"train": range(9, 10), "val": range(10, 11)}))
    with pytest.raises(UserError, match="drawn from another recipe"):
        from_shards.fill(other, library)


def test_libraries_that_are_not_ours_are_named(tmp_path):
    with pytest.raises(UserError, match=r"library\.json"):
        load_drawings(tmp_path, "train")
    for _ in range(2):
        claim(tmp_path, "somebody")
    with pytest.raises(UserError, match="no drawings"):
        load_drawings(tmp_path, "train")
    with pytest.raises(UserError, match="another recipe"):
        claim(tmp_path, "somebody else")


def test_a_damaged_chunk_is_named(drawn, tmp_path):
    claim(tmp_path, label_of(drawn))
    data = chunk_path(drawn, "train", "00000").read_bytes()
    for damaged in (b"PK", b"", data[:-20], data.replace(b'"styles"', b'"stiles"', 1), data.replace(b'"joints"', b'"joints', 1)):
        chunk_path(tmp_path, "train", "00000").write_bytes(damaged)
        with pytest.raises(UserError, match=r"chunk-00000.*make it again"):
            load_drawings(tmp_path, "train")
