"""Exported networks say what the eager ones say, from files that know nothing of SKEP."""

import io
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from estimator.batch import collate
from estimator.data import Sketches
from estimator.export.program import INPUT, OUTPUTS, exported, to_onnx, to_pt2, write_program
from estimator.models import build
from estimator.network import read_net
from estimator.train import train
from manifests.errors import UserError
from tests.estimator.figures import TINY

pytestmark = pytest.mark.timeout(900)  # tracing takes ten seconds of a core, and much longer beside other work
ONNX = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, dataset) -> Path:
    """A Pose2Pose that has left the mean pose it starts from."""
    folder = tmp_path_factory.mktemp("program") / "trained"
    train(dataset, folder, TINY.model_copy(update={"steps": 30, "ema": 0.5}), 0, None, log=lambda _: None)
    return folder


@pytest.fixture(scope="module")
def written(trained) -> Path:
    """Its program, made by the command itself."""
    out = trained.parent / "model.pt2"
    done = subprocess.run([sys.executable, "-m", "pipeline", "export-model", out, "--weights", trained], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{out}: pictures (any number, 3, 64, 64)" in done.stdout
    return out


@pytest.fixture(scope="module", params=[("global", 1e-6), ("lifter", 1e-5)], ids=["global", "lifter"])
def other(request, skeleton) -> tuple[nn.Module, ExportedProgram, float]:
    """A model that says something, its program, how near that comes. The lifter has all of its detector with it, whose convolutions
    lie otherwise in memory then."""
    model, tolerance = request.param
    torch.manual_seed(0)
    net = build(TINY.model_copy(update={"model": model}), skeleton, torch.eye(3).expand(24, 3, 3)).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.07 * torch.randn(parameter.shape))
    return net, exported(net, TINY.size), tolerance


@pytest.fixture(scope="module")
def held(dataset) -> Tensor:
    """Pictures of somebody: in noise, rounding alone moves the peak that a detector sees."""
    return collate(list(Sketches(dataset, "val", TINY.size))).pixels


@torch.no_grad()
def assert_agree(net: nn.Module, said: dict[str, np.ndarray], images: Tensor, tolerance: float) -> None:
    seen = net(images)
    assert list(said) == list(OUTPUTS)
    for name in OUTPUTS:
        truth = getattr(seen, name).numpy()
        np.testing.assert_allclose(said[name], truth, rtol=tolerance, atol=tolerance, err_msg=name)
        # Or saying the same of every picture would agree as well.
        assert len(truth) == 1 or np.ptp(truth, axis=0).max() > 100 * tolerance, name


@torch.no_grad()
def said_by(data: bytes, images: Tensor) -> dict[str, np.ndarray]:
    program = torch.export.load(io.BytesIO(data)).module()
    return {name: value.numpy() for name, value in program(images).items()}


def opened(program: ExportedProgram):
    """Its ONNX, ready to run."""
    import onnxruntime

    return onnxruntime.InferenceSession(to_onnx(program), providers=["CPUExecutionProvider"])


def said_by_session(session, images: Tensor) -> dict[str, np.ndarray]:
    return dict(zip(OUTPUTS, session.run(OUTPUTS, {INPUT: images.numpy()}), strict=True))


def pictures(count: int) -> Tensor:
    return torch.rand(count, 3, TINY.size, TINY.size, generator=torch.Generator().manual_seed(count))


def test_the_command_writes_a_program_that_says_the_same(trained, written):
    program, net = written.read_bytes(), read_net(trained, None)[0]
    for count in (1, 5):
        assert_agree(net, said_by(program, pictures(count)), pictures(count), 1e-6)
    with pytest.raises(AssertionError, match="64"):  # the side is fixed
        said_by(program, torch.rand(1, 3, 32, 32))


def test_other_models_are_exported_too(other, held):
    net, program, tolerance = other
    assert_agree(net, said_by(to_pt2(program), held), held, tolerance)


@pytest.mark.skipif(bool(ONNX), reason=f"not installed: {', '.join(ONNX)}")
def test_onnx_says_the_same(trained, written):
    net, size, _ = read_net(trained, None)
    session = opened(torch.export.load(written))
    assert [(given.name, given.shape) for given in session.get_inputs()] == [(INPUT, ["batch", 3, size, size])]
    for count in (1, 5):
        assert_agree(net, said_by_session(session, pictures(count)), pictures(count), 1e-4)


@pytest.mark.skipif(bool(ONNX), reason=f"not installed: {', '.join(ONNX)}")
def test_onnx_of_other_models_says_the_same(other, held):
    net, program, _ = other
    assert_agree(net, said_by_session(opened(program), held), held, 1e-4)


def test_what_cannot_be_exported_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"model\.pth: expected a file that ends in \.pt2 or \.onnx"):
        write_program(tmp_path / "model.pth")
    with pytest.raises(UserError, match="nowhere: no such folder"):
        write_program(tmp_path / "nowhere" / "model.pt2")
    with pytest.raises(UserError, match="nowhere: no finished training there"):
        write_program(tmp_path / "model.pt2", Path("nowhere"))

    class ByHand(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.from_numpy(images.numpy())

    with pytest.raises(UserError, match="ByHand: this network cannot be exported"):
        exported(ByHand(), 8)
