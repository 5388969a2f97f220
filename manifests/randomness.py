"""Randomness and splits that depend on names alone, never on batch, worker or order."""

import hashlib

import numpy as np

SPLIT_SALT = "skep-split-1"


def _digest(text: str, size: int) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest(), "little")


def generator(seed: int, sample_id: str, stage: str) -> np.random.Generator:
    """The one Philox generator of (recipe seed, sample, stage)."""
    return np.random.Generator(np.random.Philox(key=_digest(f"{seed}/{stage}/{sample_id}", 16)))


def order_key(seed: int, sample_id: str) -> int:
    """Sort key that mixes the samples of a dataset the same way everywhere."""
    return _digest(f"{seed}/order/{sample_id}", 8)


def split_of(source_id: str, val: float) -> str:
    """`val` for the share `val` of all source ids, else `train`. The recipe's seed plays no part in it."""
    return "val" if _digest(f"{SPLIT_SALT}/{source_id}", 8) < val * 2**64 else "train"
