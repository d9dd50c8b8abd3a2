"""Every random draw derives from one seed. Streams are named by labels: no draw depends on the order of the others."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *labels: str | int) -> int:
    """A 63-bit seed for the stream that `labels` name under the run's `seed`; the same on every platform."""
    text = "\x1f".join([str(seed), *map(str, labels)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *labels: str | int) -> np.random.Generator:
    """A NumPy generator for the stream that `labels` name under `seed`."""
    return np.random.default_rng(derive_seed(seed, *labels))
