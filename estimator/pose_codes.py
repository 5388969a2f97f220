"""A discrete pose prior: a VQ-VAE that writes a body pose as a few tokens, each one of a book of codes.

As in Sketch2PoseNet, DPMesh and TokenHMR: a regressor that says which codes cannot say a pose that nobody ever had. Van den Oord
et al. (arXiv 1711.00937), the book kept by running averages (arXiv 1906.00446), joints and tokens mixed by MLPs (arXiv 2105.01601).
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from estimator.mixed import Mixed
from estimator.rotations import from_6d, to_6d

JOINTS = 23  # of SMPL, all but the root
_MEMORY, _SELDOM = 0.99, 0.02  # of the running averages; a code used less often than this share of the mean is given to another use


@dataclass(frozen=True)
class CodesSize:
    """Tokens of a pose, codes in the book, numbers in a code, width and depth of each half."""

    tokens: int = 32
    codes: int = 512
    code: int = 32
    width: int = 128
    layers: int = 3


class Coded(NamedTuple):
    """pose (B, 23, 3, 3) as the codes say it; said (B, T, D) before they were chosen; codes (B, T); commitment, the mean square
    of what was lost by choosing."""

    pose: Tensor
    said: Tensor
    codes: Tensor
    commitment: Tensor


class PoseCodes(Mixed):
    """Local rotations (B, 23, 3, 3) to codes and back."""

    book: Tensor
    uses: Tensor
    sums: Tensor

    def __init__(self, size: CodesSize = CodesSize()):
        super().__init__()
        self.size = size
        self.enter, self.leave = nn.Linear(6, size.width), nn.Linear(size.width, 6)
        self.encoder = nn.Sequential(*(Mixer(JOINTS, size.width) for _ in range(size.layers)))
        self.decoder = nn.Sequential(*(Mixer(JOINTS, size.width) for _ in range(size.layers)))
        self.gather, self.scatter = nn.Linear(JOINTS, size.tokens), nn.Linear(size.tokens, JOINTS)
        with torch.no_grad():
            self.leave.bias.copy_(to_6d(torch.eye(3)))  # joints start hardly turned
        self.to_code, self.from_code = nn.Linear(size.width, size.code), nn.Linear(size.code, size.width)
        self.register_buffer("book", torch.randn(size.codes, size.code))
        self.register_buffer("uses", torch.ones(size.codes))
        self.register_buffer("sums", self.book.clone())

    def forward(self, pose: Tensor) -> Coded:
        """What is left of poses (B, 23, 3, 3) when they are written in codes; gradients pass as if nothing were lost."""
        said = self.encode(pose)
        codes = self.nearest(said)
        chosen = F.embedding(codes, self.book)
        return Coded(self.decode(said + (chosen - said).detach()), said, codes, F.mse_loss(said, chosen))

    def encode(self, pose: Tensor) -> Tensor:
        """Poses (B, 23, 3, 3) to what their tokens would like to say, (B, T, D)."""
        with self.mixed(pose):
            mixed = self.encoder(self.enter(to_6d(pose)))
            return self.to_code(self.gather(mixed.mT).mT).float()

    def decode(self, said: Tensor) -> Tensor:
        """Tokens (B, T, D), codes of the book or mixtures of them, to poses (B, 23, 3, 3)."""
        with self.mixed(said):
            six = self.leave(self.decoder(self.scatter(self.from_code(said).mT).mT))
        return from_6d(six.float())

    def mixture(self, logits: Tensor) -> Tensor:
        """The pose (B, 23, 3, 3) of tokens that are not sure which code they are, logits (B, T, K)."""
        return self.decode(logits.softmax(-1) @ self.book)

    def nearest(self, said: Tensor) -> Tensor:
        """Codes (B, T) nearest to tokens (B, T, D)."""
        return torch.cdist(said.detach().flatten(0, 1), self.book).argmin(-1).view(said.shape[:2])

    @torch.no_grad()
    def follow(self, said: Tensor, codes: Tensor, generator: torch.Generator) -> None:
        """Move the book towards tokens (B, T, D) that chose codes (B, T); codes that hardly anybody chooses become tokens."""
        rows, chosen = said.detach().flatten(0, 1), codes.flatten()
        uses, sums = torch.zeros_like(self.uses), torch.zeros_like(self.sums)
        self.uses.lerp_(uses.index_add_(0, chosen, rows.new_ones(len(rows))), 1 - _MEMORY)
        self.sums.lerp_(sums.index_add_(0, chosen, rows), 1 - _MEMORY)
        mean = self.uses.mean()
        seldom = self.uses < _SELDOM * mean
        fresh = rows[torch.randint(len(rows), (int(seldom.sum()),), generator=generator).to(rows.device)]
        self.uses[seldom] = mean
        self.sums[seldom] = fresh * mean
        self.book.copy_(self.sums / self.uses.clamp(min=1e-6)[:, None])


class Mixer(nn.Module):
    """One layer of an MLP-Mixer on (B, N, C): first across the N, then within each."""

    def __init__(self, count: int, width: int):
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.across, self.within = _mlp(count, 2 * count), _mlp(width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.across(self.first(x).mT).mT
        return x + self.within(self.second(x))


def _mlp(width: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
