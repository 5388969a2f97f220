"""What a detector reads of the sketches is read once, in views that seed and number alone decide."""

import pytest
import torch

from estimator import readings
from estimator.data import Sketches
from estimator.guide import load_guide
from estimator.readings import VIEWS, Reader, Readings, Views, forget
from manifests.errors import UserError
from stages.detector.weights import BUNDLED
from stages.ranks import ALONE, Ranks
from tests.estimator.figures import TINY

CPU, WORDS = torch.device("cpu"), {"dataset": 1}


@pytest.fixture
def views(dataset, monkeypatch) -> Views:
    monkeypatch.setattr(readings, "_ROWS", 7)
    return Views(Sketches(dataset, "train", TINY.size), TINY, 1)


@pytest.fixture(scope="module")
def guide():
    return load_guide(BUNDLED, CPU)


def _read(views, guide, folder, words=WORDS, log=print, ranks=ALONE, workers=0):
    return Reader(views, guide, folder, words, CPU, workers, log).read(ranks)


def test_every_view_is_read_and_the_detector_sees_each_once(views, guide, tmp_path):
    seen: list[int] = []
    columns = _read(views, lambda images: seen.append(len(images)) or guide(images), tmp_path / "r")
    assert seen == [7, 7, 7, 3] and sum(seen) == len(columns["pose"]) == VIEWS * 8 == views.count
    at_once = guide(torch.cat([views[part].pixels for part in range(len(views))]))
    torch.testing.assert_close(columns["told_joints"], at_once.joints, atol=1e-4, rtol=0)
    torch.testing.assert_close(columns["told_features"].float(), at_once.features, atol=5e-3, rtol=5e-3)
    torch.testing.assert_close(columns["joints2d"], torch.cat([views[part].joints2d for part in range(len(views))]))
    assert not torch.equal(columns["joints2d"][:8], columns["joints2d"][8:16])  # another view of the same sketches


def test_a_reading_that_was_cut_goes_on_and_one_of_other_words_starts_over(views, guide, tmp_path):
    whole, seen, lines = _read(views, guide, tmp_path / "r"), [], []
    (tmp_path / "r/00001.safetensors").unlink()
    (tmp_path / "r/00002.safetensors").write_bytes(b"torn")

    def again(words):
        seen.clear()
        return _read(views, lambda images: seen.append(len(images)) or guide(images), tmp_path / "r", words, lines.append)

    columns = again(WORDS)
    assert seen == [7, 7] and lines == ["the detector reads 3 views of 8 sketches, 2 of 4 parts"]
    assert all(torch.equal(columns[name], column) for name, column in whole.items())
    again(WORDS)
    assert not seen
    again({"dataset": 2})
    assert seen == [7, 7, 7, 3]
    forget(tmp_path / "r")
    assert not (tmp_path / "r").exists()


def test_ranks_share_the_parts_and_need_each_others(views, guide, tmp_path):
    class Second(Ranks):
        def wait(self):
            """The first has been here."""

    with pytest.raises(UserError, match=r"00000\.safetensors: no such file"):
        _read(views, guide, tmp_path / "r", ranks=Second(1, 2))
    assert sorted(file.name for file in (tmp_path / "r").iterdir()) == ["00001.safetensors", "00003.safetensors"]
    seen: list[int] = []
    whole = _read(views, lambda images: seen.append(len(images)) or guide(images), tmp_path / "r", workers=1)
    assert seen == [7, 7]  # those that the second has not read
    mine = _read(views, None, tmp_path / "r", ranks=Second(1, 2))
    assert all(torch.equal(mine[name], column) for name, column in whole.items())
    with pytest.raises(UserError, match=r"00000\.safetensors: read for another training; all ranks of a training need the same folder"):
        _read(views, guide, tmp_path / "r", {"dataset": 2}, ranks=Second(1, 2))


def test_other_weights_to_start_from_and_fewer_steps_want_other_views(views, dataset):
    sketches, few = Sketches(dataset, "train", TINY.size), TINY.model_copy(update={"steps": 3, "batch": 4})
    assert Views(sketches, few, 1).each == 2 and views.each == VIEWS
    other = Views(sketches, TINY, 1, "digest of other weights")
    assert other.words != views.words and not torch.equal(other[0].joints2d, views[0].joints2d)


def test_a_step_decides_its_batch_and_ranks_share_it(views, guide, tmp_path):
    columns = _read(views, guide, tmp_path / "r")
    steps = Readings(columns, TINY, 1, ALONE, "")
    truth, told = steps[3]
    assert truth.images.shape == (TINY.batch, 0, TINY.size, TINY.size) and told.features.dtype == torch.float32
    assert torch.equal(steps[3].told.joints, told.joints) and not torch.equal(steps[4].told.joints, told.joints)
    for rank in (0, 1):
        share = Readings(columns, TINY, 1, Ranks(rank, 2), "")[3]
        assert torch.equal(share.truth.pose, truth.pose[rank::2]) and torch.equal(share.told.joints, told.joints[rank::2])
    assert not torch.equal(Readings(columns, TINY, 1, ALONE, "digest of other weights")[3].truth.pose, truth.pose)


def test_some_joints_are_placed_where_they_are(views, guide, tmp_path):
    truth, told = Readings(_read(views, guide, tmp_path / "r"), TINY.model_copy(update={"batch": 200}), 1, ALONE, "")[0]
    placed = told.placed.bool()
    torch.testing.assert_close(told.joints[placed], truth.joints2d[placed] / TINY.size)
    assert 0.2 < placed.any(-1).float().mean() < 0.4 and 1 < placed.sum(-1)[placed.any(-1)].float().mean() < 8
    assert (told.features[placed] == 0).all() and (told.features[~placed] != 0).any()
