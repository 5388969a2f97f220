"""The run on a Ray cluster: same bytes, pools of actors that fit it, small rows, placement, sentences."""

import json
import socket
from collections import Counter

import pytest
from botocore.exceptions import NoCredentialsError

from manifests.errors import UserError
from manifests.stage import Resources
from pipeline.executors.child import Job
from pipeline.executors.choose import Where
from pipeline.executors.pool import Pool
from pipeline.executors.ray import RayExecutor
from pipeline.executors.remote import Watcher
from pipeline.executors.room import lacking, sizes
from pipeline.lock import RunLock
from pipeline.node import marks
from pipeline.plan import Pipeline
from pipeline.run import run
from pipeline.status import failures
from pipeline.store import Store
from tests.commands import skep
from tests.conftest import tree
from tests.toy import SPECS, specs, toy_recipe


@pytest.fixture
def on_ray(ray_address):
    """Runs toy stages on the cluster of the session."""

    def go(folder, recipe, stages=SPECS, **more):
        return run(recipe, str(folder), stages, quiet=True, where=Where(True, ray_address), **more)

    return go


@pytest.mark.parametrize(
    ("cpus", "gpus", "sketches", "filters"),
    [(16, 8, 8, 7), (8, 1, 1, 6), (64, 1, 1, 62), (1024, 64, 64, 959), (9, 8, 7, 1), (2, 1, 0, 1), (1, 1, 0, 0)],
)
def test_no_gpu_is_left_idle_and_no_cpu(cpus, gpus, sketches, filters):
    pools = {"filter": (Resources(model=True), "cpu"), "sketches": (Resources(model=True, gpus=1), "cuda")}
    assert sizes(pools, {"CPU": cpus, "GPU": gpus}) == {"sketches": sketches, "filter": filters}
    halves = {name: (Resources(model=True), "cpu") for name in ("a", "b")}
    assert sizes(halves, {"CPU": cpus}) == {"a": (cpus - 1) // 2, "b": cpus - 1 - (cpus - 1) // 2}
    assert sizes({"a": (Resources(cpus=0, model=True), "cpu")}, {"CPU": cpus}) == {"a": 1}
    assert sizes({"a": (Resources(custom={"easel": 2}), "cpu")}, {"CPU": cpus, "easel": 3}) == {"a": min(1, cpus - 1)}


def test_what_a_lost_node_alone_had_is_waited_for_with_a_cpu():
    assert sizes({"sketches": (Resources(model=True, gpus=1), "cuda")}, {"CPU": 4}) == {"sketches": 1}
    request = {"num_cpus": 1, "num_gpus": 0, "resources": {"easel": 1}}
    assert lacking(request, [{"CPU": 8}, {"CPU": 0.5, "easel": 1}]) == "CPU 1, easel 1"
    assert lacking(request, [{"CPU": 8}, {"CPU": 1, "easel": 1}]) == ""


@pytest.fixture
def pool(monkeypatch):
    """A pool of three, whose actors are numbers."""
    numbers = iter(range(100))
    monkeypatch.setattr(Pool, "_start", lambda self: next(numbers))
    pool = Pool(b"", recycle_after=100)
    pool.fit(3, {"num_cpus": 1})
    return pool


def test_a_pool_shrinks_with_its_cluster_and_idle_actors_go_first(pool):
    members = [pool.pick() for _ in range(3)]
    pool.give_back(members[1])
    pool.fit(2, {"num_cpus": 1})
    assert {pool.pick().handle for _ in range(9)} == {0, 2}
    pool.fit(1, {"num_cpus": 1})
    assert len({pool.pick().handle for _ in range(9)}) == 1
    pool.fit(2, {"num_cpus": 1})
    assert 3 in {pool.pick().handle for _ in range(9)}


def test_a_pool_that_was_made_on_a_tiny_cluster_asks_for_cpus_when_it_has_grown(pool):
    pool.fit(1, {"num_cpus": 0})
    assert pool.pick().handle == 0
    pool.fit(2, {"num_cpus": 1})
    assert [(m.handle, m.request) for m in (pool.pick(), pool.pick())] == [(1, {"num_cpus": 1}), (2, {"num_cpus": 1})]


def _log(path, word):
    """(node, process) of each line of a stage's log that has this word."""
    lines = [line.split() for line in path.read_text().splitlines()]
    return [(node, pid) for node, pid, what, _ in lines if what == word]


def test_same_bytes_as_on_one_machine_in_any_order(on_ray, tmp_path):
    run(toy_recipe(run__workers=0), str(tmp_path / "inline"), SPECS, quiet=True)
    on_ray(tmp_path / "ray", toy_recipe(), shuffle=5)
    assert tree(tmp_path / "ray") == tree(tmp_path / "inline")
    assert on_ray(tmp_path / "ray", toy_recipe()).units == 0


def test_rounds_are_the_same_on_both(on_ray, tmp_path):
    recipe = toy_recipe(poses__count=40, poses__oversample=1)
    assert on_ray(tmp_path / "ray", recipe).outcomes["kept"] == 40
    run(recipe, str(tmp_path / "local"), SPECS, quiet=True)
    assert (tmp_path / "ray/select/round-1.done.json").exists()
    assert tree(tmp_path / "ray") == tree(tmp_path / "local")


def test_a_model_is_loaded_once_a_worker_and_workers_are_replaced(on_ray, tmp_path):
    log, config = tmp_path / "log", tmp_path / "config.json"
    config.write_text(json.dumps({"log": str(log)}))
    recipe = toy_recipe(body__path=str(config), run__recycle_after=8)
    on_ray(tmp_path / "ray", recipe, specs("Model"))
    units, setups = _log(log, "unit"), _log(log, "setup")
    assert len(setups) == len(set(setups)) == -(-len(units) // 8)
    assert max(Counter(units).values()) == 8
    run(recipe, str(tmp_path / "local"), specs("Model"), quiet=True)
    assert tree(tmp_path / "ray") == tree(tmp_path / "local")


def test_poison_is_found_as_on_one_machine(on_ray, tmp_path):
    config = tmp_path / "bad.json"
    config.write_text(json.dumps({"raise": ["ink-000003"], "exit": ["ink-000011"], "hang": ["kids-000012"]}))
    recipe = toy_recipe(partition_size=8, body__path=str(config), run__timeout_s=5, run__failed_ceiling=0.1)
    for name, stages in (("tasks", SPECS), ("actors", specs("Model"))):
        on_ray(tmp_path / name, recipe, stages)
    run(recipe, str(tmp_path / "local"), SPECS, quiet=True)
    assert tree(tmp_path / "tasks") == tree(tmp_path / "actors") == tree(tmp_path / "local")
    rows = {r["sample_id"]: r["reason"] for r in failures(Pipeline(recipe, SPECS), Store(str(tmp_path / "tasks")))}
    assert rows["ink-000011"] == "the process died with exit status 7" and rows["kids-000012"] == "timeout: more than 5 s"


def test_nothing_big_goes_through_the_object_store(on_ray, tmp_path):
    from ray._private.internal_api import get_memory_info_reply, get_state_from_address

    def stats():
        import ray

        return get_memory_info_reply(get_state_from_address(ray.get_runtime_context().gcs_address)).store_stats

    before = stats()
    on_ray(tmp_path, toy_recipe(poses__count=100))
    after = stats()
    assert after.spilled_bytes_total == after.spilled_objects_total == after.restored_bytes_total == 0
    assert after.cumulative_created_bytes - before.cumulative_created_bytes < 100_000  # a single blob of 25 rows has 500,000


def test_what_workers_leave_on_a_node_for_each_other_goes_with_the_run(on_ray, tmp_path, monkeypatch):
    before, after, close = [], [], RayExecutor.close

    def watched(self):
        before.extend(path.name.removeprefix(f"{self._setup_key}-") for path in marks(self._setup_key))
        close(self)
        after.extend(marks(self._setup_key))

    monkeypatch.setattr(RayExecutor, "close", watched)
    on_ray(tmp_path, toy_recipe())
    assert before == ["index.done", "poses.done", "select.done", "shards.done", "sketches.done"] and not after


def test_work_in_hand_is_bounded(on_ray, tmp_path, monkeypatch):
    most, hand, submit, take = [0], [0], RayExecutor.submit, RayExecutor._take

    def counted_submit(self, task):
        hand[0] += 1
        most[0] = max(most[0], hand[0])
        submit(self, task)

    def counted_take(self, *landed):
        hand[0] -= 1
        return take(self, *landed)

    monkeypatch.setattr(RayExecutor, "submit", counted_submit)
    monkeypatch.setattr(RayExecutor, "_take", counted_take)
    on_ray(tmp_path, toy_recipe(poses__count=100))
    assert most[0] == 4  # two CPUs


def test_partitions_do_not_wait_for_each_other(on_ray, tmp_path):
    """Some partition has left its last stage before another has begun its first: there is no barrier between stages."""
    on_ray(tmp_path, toy_recipe(poses__count=100))
    events = [json.loads(line) for line in (tmp_path / "events/0000.jsonl").read_text().splitlines()]
    stages = [e["stage"] for e in events if e["event"] == "unit"]
    assert stages.index("sketches") < len(stages) - 1 - stages[::-1].index("poses")


def test_a_gpu_that_no_node_has_is_missed_at_once(on_ray, tmp_path):
    with pytest.raises(UserError, match=r"stage sketches needs a GPU and the cluster has none; --set run.device=auto"):
        on_ray(tmp_path / "a", toy_recipe(), specs("Gpu"))
    assert not (tmp_path / "a/poses").exists()
    on_ray(tmp_path / "b", toy_recipe(run__device="auto"), specs("Gpu"))
    marker = json.loads((tmp_path / "b/sketches/ink-p00000.done.json").read_text())
    assert marker["environment"]["device"] == "cpu"


def test_a_node_that_never_comes_is_waited_for_aloud_and_the_lock_still_watched(on_ray, tmp_path, monkeypatch, capfd):
    """No node has an easel."""
    said = []

    def check(self):
        said.append(capfd.readouterr().err)
        if len(said) > 1 and "skep" in said[-2]:  # one more look after the sentence
            raise UserError("the folder is lost")

    monkeypatch.setattr(RunLock, "check", check)
    monkeypatch.setattr("pipeline.executors.ray.LOOK_AGAIN_S", 0.5)
    with pytest.raises(UserError, match="the folder is lost"):
        on_ray(tmp_path, toy_recipe(), specs("Placed"))
    assert "".join(said) == "skep: stage sketches waits for a node with CPU 1, easel 1; the cluster has none now\n"


def test_a_stage_that_breaks_is_told_in_one_piece(on_ray, tmp_path):
    config = tmp_path / "bad.json"
    config.write_text("not json")
    with pytest.raises(UserError, match=r"stage sketches, unit .* broke:"):
        on_ray(tmp_path / "run", toy_recipe(body__path=str(config)))


def test_a_store_that_does_not_answer_a_worker_is_a_sentence(on_ray, tmp_path):
    sentence = r'^stage sketches, unit \S+: Could not connect to the endpoint URL: "http://there"$'
    with pytest.raises(UserError, match=sentence):
        on_ray(tmp_path / "ray", toy_recipe(), specs("Offline"))
    with pytest.raises(UserError, match=sentence):
        run(toy_recipe(), str(tmp_path / "local"), specs("Offline"), quiet=True)


def test_what_breaks_on_a_node_is_not_called_lost(on_ray, tmp_path, monkeypatch):
    def breaks(job, task=None):
        raise ValueError("odd")

    class Broken:
        def __init__(self, job):
            breaks(job)

        def do(self, task):
            pass

    monkeypatch.setattr("pipeline.executors.ray.do_unit", breaks)
    with pytest.raises(UserError, match=r"(?s)^stage poses, unit \S+ broke:\n.*ValueError: odd"):
        on_ray(tmp_path / "task", toy_recipe())
    monkeypatch.undo()
    monkeypatch.setattr("pipeline.executors.pool.Watcher", Broken)
    with pytest.raises(UserError, match=r"(?s)^stage sketches, unit \S+ broke:\n.*ValueError: odd"):
        on_ray(tmp_path / "actor", toy_recipe(), specs("Model"))


def _watcher(folder):
    """Of a launch whose lock says `ours`."""
    return Watcher(Job(toy_recipe().model_dump_json(), SPECS, str(folder), ("lock", "ours")).to_bytes())


def test_a_node_with_another_run_in_the_place_of_this_one_is_refused(tmp_path):
    for name in ("lock", "recipe.yaml"):
        (tmp_path / name).write_text("theirs")
    sentence = f"{tmp_path}: node {socket.gethostname()} does not see this run folder; use a shared folder or a bucket"
    assert _watcher(tmp_path).do(b"") == {"error": sentence}
    assert RunLock(Store(str(tmp_path))).mark != RunLock(Store(str(tmp_path))).mark


def test_a_node_that_the_store_refuses_is_named(tmp_path, monkeypatch):
    def refuse(self, name):
        raise NoCredentialsError

    monkeypatch.setattr(Store, "exists", refuse)
    assert _watcher(tmp_path).do(b"") == {"error": f"{tmp_path}: node {socket.gethostname()}: Unable to locate credentials"}


def test_a_cluster_that_is_not_there_is_named(tmp_path):
    done = skep("run", "smoke", "--run", str(tmp_path), "--executor", "ray", "--ray-address", "127.0.0.1:1")
    assert done.returncode == 2 and done.stderr.splitlines()[-1].startswith("skep: --ray-address 127.0.0.1:1: cannot join this cluster")


def test_real_stages_on_a_cluster_by_command(ray_address, tmp_path):
    small = ("--set", "poses.count=4")
    done = skep("run", "smoke", "--run", str(tmp_path / "ray"), "--executor", "ray", "--ray-address", ray_address, *small)
    assert done.returncode == 0, done.stderr
    skep("run", "smoke", "--run", str(tmp_path / "local"), *small)
    assert tree(tmp_path / "ray") == tree(tmp_path / "local")


def test_a_bucket_holds_the_same_bytes(on_ray, s3, tmp_path):
    import hashlib

    run(toy_recipe(run__workers=0), str(tmp_path), SPECS, quiet=True)
    on_ray(f"{s3}/on-ray", toy_recipe())
    store = Store(f"{s3}/on-ray")
    for name, sha in tree(tmp_path).items():
        assert hashlib.sha256(store.read(name)).hexdigest() == sha, name
