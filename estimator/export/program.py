"""A trained network as one file that runs without SKEP: `.pt2` for torch, `.onnx` for everybody else."""

import io
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from estimator.network import read_net
from estimator.state import BUNDLED
from manifests.errors import UserError, first_line
from stages.wholefile import write_atomically

INPUT = "images"
OUTPUTS = ("pose", "betas", "camera", "joints3d", "joints2d", "bone_scales", "joints3d_drawn", "confidence")
KINDS = (".pt2", ".onnx")


def write_program(out: Path, weights: Path | None = None, body: Path | None = None) -> int:
    """Write the network of a finished training (None: the bundled one) to `out`, by its ending. Returns the side of its input in px.

    Raises UserError for another ending, where there is no training, and for a network that is more than torch can write down.
    """
    _check(out)
    read = read_net(weights or BUNDLED, body)
    program = exported(read.net.requires_grad_(False), read.size)
    try:
        write_atomically(out, to_onnx(program) if out.suffix == ".onnx" else to_pt2(program))
    except OSError as e:
        raise UserError(f"{out}: cannot write there ({e.strerror})") from None
    return read.size


def exported(net: nn.Module, size: int) -> ExportedProgram:
    """The network as a graph: INPUT (B, 3, size, size) float32 in [0, 1], any B, to OUTPUTS by name, each as in Prediction."""
    example = torch.zeros(2, 3, size, size)  # more than one: a batch of one would be taken for a constant
    try:
        with torch.no_grad():
            return torch.export.export(_Named(net.cpu()), (example,), dynamic_shapes={INPUT: {0: Dim("batch")}})
    except RuntimeError as e:
        raise UserError(
            f"{type(net).__name__}: this network cannot be exported, it does more than torch can write down ({first_line(e)})"
        ) from e


def to_pt2(program: ExportedProgram) -> bytes:
    """The file that torch.export.load reads."""
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def to_onnx(program: ExportedProgram) -> bytes:
    """The same as ONNX, weights inside. Needs the packages onnx and onnxscript."""
    shapes = {INPUT: {0: "batch"}}
    made = torch.onnx.export(program, input_names=[INPUT], output_names=OUTPUTS, dynamic_shapes=shapes, verbose=False)
    assert made is not None
    return made.model_proto.SerializeToString()


def _check(out: Path) -> None:
    """What can be known before the network is traced, which takes long."""
    if out.suffix not in KINDS:
        raise UserError(f"{out}: expected a file that ends in {' or '.join(KINDS)}")
    if out.suffix == ".onnx" and not all(map(find_spec, ("onnx", "onnxscript"))):
        raise UserError(f"{out}: ONNX needs two packages more: pip install 'skep[onnx]'")
    if not out.parent.is_dir():
        raise UserError(f"{out.parent}: no such folder")


class _Named(nn.Module):
    """A network whose word is a plain dict: neither format knows what a Prediction is."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        seen = self.net(images)
        return {name: getattr(seen, name) for name in OUTPUTS}
