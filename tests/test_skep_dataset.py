"""The stream that trainers read: everything once, shared out, in an order that can be had again."""

from dataclasses import replace

import numpy as np
import pytest
from torch.utils.data import DataLoader

from estimator.augment import augment
from estimator.data import SkepDataset
from estimator.sample import Sample
from manifests.errors import UserError
from pipeline.run import run
from stages.shards.tar import BadShard
from tests.estimator.figures import flat
from tests.sticks import SPECS, recipe


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of two dozen sticks in shards of four."""
    folder = tmp_path_factory.mktemp("sticks")
    run(recipe(), str(folder), SPECS, quiet=True)
    return folder


def _ids(dataset) -> list[str]:
    return [sample.sample_id for sample in dataset]


def test_a_run_or_its_dataset_is_read_in_order(folder):
    everything = _ids(SkepDataset(folder)) + _ids(SkepDataset(folder / "dataset", "val"))
    assert len(set(everything)) == len(everything) == 24
    first = next(iter(SkepDataset(folder, size=48)))
    assert isinstance(first, Sample) and first.image.shape == (48, 48, 3) and first.joints3d.shape == (16, 3)


@pytest.mark.parametrize("shuffle", [0, 5])
def test_nodes_and_workers_share_every_sample_once(folder, shuffle):
    whole = sorted(_ids(SkepDataset(folder)))
    parts = [SkepDataset(folder, shuffle=shuffle, node=(rank, 2)) for rank in range(2)]
    assert sorted(i for part in parts for i in _ids(part)) == whole
    loaders = [DataLoader(part, batch_size=None, num_workers=2) for part in parts]
    assert sorted(i for loader in loaders for i in _ids(loader)) == whole


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_even_nodes_get_equally_many_samples_of_their_own(folder, workers):
    def read(rank, even, epoch):
        data = SkepDataset(folder, shuffle=5, node=(rank, 2), even=even)
        data.set_epoch(epoch)
        return list(DataLoader(data, batch_size=2, num_workers=workers, collate_fn=_ids))

    for epoch in range(2):
        whole, fair = ([read(rank, even, epoch) for rank in range(2)] for even in (False, True))
        assert sum(map(len, whole[0])) != sum(map(len, whole[1])), "nothing to make even"
        assert [len(batch) for batch in fair[0]] == [len(batch) for batch in fair[1]]
        for all_of_it, part in zip(whole, fair, strict=True):
            assert part and {i for batch in part for i in batch} <= {i for batch in all_of_it for i in batch}


@pytest.fixture
def second_of_two():
    """As in the process of rank 1 of two."""
    from torch import distributed
    from torch.testing._internal.distributed.fake_pg import FakeStore

    distributed.init_process_group("fake", rank=1, world_size=2, store=FakeStore())
    yield
    distributed.destroy_process_group()


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_of_any_kind_know_their_node(folder, second_of_two, start):
    wanted = _ids(SkepDataset(folder, node=(1, 2)))
    assert _ids(DataLoader(SkepDataset(folder), batch_size=None, num_workers=1, multiprocessing_context=start)) == wanted


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_of_any_kind_read_from_a_bucket(folder, s3, start):
    import fsspec

    fsspec.filesystem("s3").put(str(folder / "dataset"), f"{s3}/sticks-{start}", recursive=True)
    data = SkepDataset(f"{s3}/sticks-{start}")
    assert sorted(_ids(DataLoader(data, batch_size=None, num_workers=2, multiprocessing_context=start))) == sorted(
        _ids(SkepDataset(folder))
    )


def test_an_order_can_be_had_again_and_changes_with_the_epoch(folder):
    data = SkepDataset(folder, shuffle=6, seed=1)
    first, again = _ids(data), _ids(data)
    data.set_epoch(1)
    later = _ids(data)
    assert first == again != later and sorted(first) == sorted(later)
    assert _ids(SkepDataset(folder, shuffle=6, seed=2)) != first


def test_what_augmentation_draws_depends_on_the_sample_alone(folder):
    plain = {s.sample_id: flat(s) for s in SkepDataset(folder, augment=augment)}
    mixed = {s.sample_id: flat(s) for s in SkepDataset(folder, augment=augment, shuffle=9)}
    assert plain == mixed
    data = SkepDataset(folder, augment=augment)
    data.set_epoch(1)
    assert {s.sample_id: flat(s) for s in data} != plain


def test_a_hook_may_do_what_it_likes(folder):
    def shrink(sample: Sample, rng: np.random.Generator) -> Sample:
        return replace(sample, image=sample.image[:8, :8])

    assert {s.image.shape for s in SkepDataset(folder, augment=shrink)} == {(8, 8, 3)}


def test_more_nodes_than_shards_is_a_sentence(folder):
    with pytest.raises(UserError, match=r"dataset\.json: \d+ shards for 99 nodes; pack fewer samples a shard"):
        next(iter(SkepDataset(folder, node=(0, 99))))


def test_workers_report_damage_with_shard_and_offset(folder, tmp_path):
    for path in sorted((folder / "dataset").glob("*.*")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    shard = tmp_path / "train-000000.tar"
    data = bytearray(shard.read_bytes())
    data[3000] ^= 4
    shard.write_bytes(bytes(data))
    with pytest.raises(BadShard, match=r"train-000000\.tar, byte \d+: ") as caught:
        _ids(SkepDataset(tmp_path))
    assert caught.value.shard.endswith("train-000000.tar") and 0 <= caught.value.offset <= 3000
    with pytest.raises(BadShard, match=r"train-000000\.tar, byte \d+: "):
        _ids(DataLoader(SkepDataset(tmp_path), batch_size=None, num_workers=1))


def test_any_fsspec_address_will_do(folder):
    import fsspec

    memory = fsspec.filesystem("memory")
    for path in sorted((folder / "dataset").glob("*.*")):
        memory.pipe_file(f"/sticks/{path.name}", path.read_bytes())
    assert _ids(SkepDataset("memory://sticks")) == _ids(SkepDataset(folder))
