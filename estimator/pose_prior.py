"""The bundled pose prior as an energy: how far a pose is from those that people take. And poses drawn from it, to start from."""

from importlib import resources

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from estimator.rotations import to_6d
from manifests.randomness import generator
from stages.body.camera import FRONT
from stages.poses.fence import fenced
from stages.poses.prior import JOINTS, WEIGHTS, load_prior
from stages.poses.train_prior import Autoencoder

_LEAN = 0.1  # how much the lean of the whole body counts: drawings are seen from above and below, and hang askew
_KIND = 2e-3  # weight of a latent's surprise in nats, against squared differences of rotation matrices


class PosePrior(nn.Module):
    """Both halves of the autoencoder, and where the latents of real poses lie."""

    mean: Tensor
    unfactor: Tensor
    surprise: Tensor
    front: Tensor

    def __init__(self) -> None:
        super().__init__()
        with resources.as_file(resources.files("stages.poses") / "weights" / WEIGHTS) as path:
            tensors = {name: value.float() for name, value in load_file(path).items()}
        self.net = Autoencoder(torch.Generator())
        self.net.load_state_dict({name: value for name, value in tensors.items() if not name.startswith("latent.")})
        factor = tensors["latent.factor"]
        self.register_buffer("mean", tensors["latent.mean"])
        self.register_buffer("unfactor", torch.linalg.inv(factor))
        self.register_buffer("surprise", factor.diagonal(dim1=1, dim2=2).log().sum(1) - tensors["latent.share"].log())
        self.register_buffer("front", torch.from_numpy(FRONT).float())
        self.requires_grad_(False)

    def forward(self, pose: Tensor) -> Tensor:
        """Energy (N,) of poses (N, 24, 3, 3) in the camera frame: what the autoencoder cannot repeat, and how rare the rest is."""
        turns = torch.cat([without_heading(self.front @ pose[:, 0])[:, None], pose[:, 1:JOINTS]], 1)
        latent = self.net.encode(to_6d(turns).flatten(1))[0]
        lost = (turns - self.net.decode(latent)).square().sum((-1, -2))
        # Least over the kinds of poses; the constant makes the commonest of them cost nothing.
        apart = torch.einsum("kij,nkj->nki", self.unfactor, latent[:, None] - self.mean).square().sum(-1) / 2
        rare = (apart + self.surprise - self.surprise.min()).amin(1)
        return _LEAN * lost[:, 0] + lost[:, 1:].sum(1) + _KIND * rare


def without_heading(root: Tensor) -> Tensor:
    """Root rotations (N, 3, 3), y up, turned about y so that as little heading as can be is left."""
    angle = torch.atan2(root[:, 0, 2] - root[:, 2, 0], root[:, 0, 0] + root[:, 2, 2] + 1e-9)
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    back = torch.stack([c, zero, -s, zero, one, zero, s, zero, c], -1).view(-1, 3, 3)
    return back @ root


def drawn_poses(count: int) -> np.ndarray:
    """Poses (count, 24, 3, 3) of the prior within the limits of joints, upright and without heading, y up; always the same."""
    return fenced(load_prior().sample(generator(0, "fit", "poses"), count))
