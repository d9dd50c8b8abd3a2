"""Frozen text encoders phi (arXiv 2512.10551, Eq. 3): text in, a unit vector out; never trained here.

"hashing" is the embedded default: word and character n-grams under a fixed sparse random projection, no download, no
state. Any other name is that of a sentence-transformers model, or its directory (the paper: Qwen3-Embedding-0.6B;
`language_encoder`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

import numpy as np
from scipy import sparse

from llm_auction.pctr.language_encoder import AUTOMATIC, EncoderPlacement, LanguageModelEncoder
from llm_auction.profiles.schema import PctrConfig

# Words that carry grammar, not topic. They stay in the encoding at a low weight.
STOP_WORDS = frozenset(
    "a about after all also am an and any are as at be because been before being best but by can could did do does "
    "for from get good had has have having he her here him his how i if in into is it its just like make me more most "
    "much my need needs new no not of on one or our out over own please she should so some such than that the their "
    "them then there these they this those to too try up use very want wants was we well were what when where which "
    "while who why will with would you your s t d ll m re ve".split()
)
TEXTS_PER_BLOCK = 50_000
_WORD = re.compile(r"[^\W_]+")
_STOP_WEIGHT = 0.2
_GRAMS = (3, 4, 5)
_GRAM_SHARE = 0.6
_BUCKETS_PER_FEATURE = 4


def words(text: str) -> list[str]:
    """The words of a text, lower case, without punctuation."""
    return _WORD.findall(text.lower())


@lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """A crude stem, so that "boots" meets "boot" and "cycling" meets "cycle"."""
    for suffix in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word[: -len(suffix)]
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


class TextEncoder(Protocol):
    """A frozen encoder: `encode` gives one float32 unit vector of `dimension` entries per text (zeros for no words).

    `encode_queries` is for questions, which some models want to read behind an instruction.
    """

    name: str
    dimension: int

    def encode(self, texts: Sequence[str]) -> np.ndarray: ...

    def encode_queries(self, texts: Sequence[str]) -> np.ndarray: ...


class HashingEncoder:
    """Word and character n-grams under a fixed sparse random projection (a signed hash into a few buckets each).

    `style=True` keeps grammar words at full weight and adds word pairs instead of character n-grams: it encodes HOW
    something is said, where the default encodes what it is about.
    """

    def __init__(self, dimension: int = 256, *, style: bool = False) -> None:
        self.name = "hashing"
        self.dimension = dimension
        self.style = style

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return in_blocks(self._encode, texts, self.dimension)

    encode_queries = encode

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        vocabulary: dict[str, int] = {}
        rows: list[int] = []
        columns: list[int] = []
        for row, text in enumerate(texts):
            tokens = words(text)
            if self.style:
                tokens += [f"{left} {right}" for left, right in pairwise(tokens)]
            rows.extend([row] * len(tokens))
            columns.extend(vocabulary.setdefault(token, len(vocabulary)) for token in tokens)
        if not vocabulary:
            return np.zeros((len(texts), self.dimension), dtype=np.float32)
        table = np.stack([_token_vector(token, self.dimension, self.style) for token in vocabulary])
        counts = sparse.csr_matrix(
            (np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(len(texts), len(vocabulary))
        )
        counts.sum_duplicates()
        # A word said twice weighs little more than a word said once.
        counts.data = 1.0 + np.log(counts.data)
        return unit_rows(np.asarray(counts @ table, dtype=np.float32))


@lru_cache(maxsize=2)
def open_encoder(
    name: str, revision: str | None = None, max_tokens: int | None = None, runs: EncoderPlacement = AUTOMATIC
) -> TextEncoder:
    """The encoder that `pctr.encoder` names; a loaded model is kept for the next caller.

    Raises:
        ValueError: see `LanguageModelEncoder`.
    """
    return HashingEncoder() if name == "hashing" else LanguageModelEncoder(name, revision, max_tokens, runs)


def encoder_of(config: PctrConfig) -> TextEncoder:
    """The encoder of a profile's section `pctr`; see `open_encoder`."""
    return open_encoder(config.encoder, config.encoder_revision, config.encoder_max_tokens, EncoderPlacement.of(config))


def in_blocks(encode: Callable[[Sequence[str]], np.ndarray], texts: Sequence[str], dimension: int) -> np.ndarray:
    """What `encode` makes of the texts, a block at a time: their words take many times the memory of their vectors."""
    vectors = np.zeros((len(texts), dimension), dtype=np.float32)
    for start in range(0, len(texts), TEXTS_PER_BLOCK):
        vectors[start : start + TEXTS_PER_BLOCK] = encode(texts[start : start + TEXTS_PER_BLOCK])
    return vectors


def unit_rows(matrix: np.ndarray) -> np.ndarray:
    """Rows scaled to length 1; rows of zeros stay."""
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix / np.where(norms > 0, norms, 1.0)


@lru_cache(maxsize=100_000)
def _token_vector(token: str, dimension: int, style: bool) -> np.ndarray:
    if style:
        return _projected(token, dimension)
    if token in STOP_WORDS:
        return _STOP_WEIGHT * _projected(token, dimension)
    padded = f"<{stem(token)}>"
    grams = [padded[i : i + n] for n in _GRAMS for i in range(len(padded) - n + 1)]
    vector = _projected(padded, dimension)
    if grams:
        spread = np.sum([_projected(f"#{gram}", dimension) for gram in grams], axis=0) / np.sqrt(len(grams))
        vector = vector + _GRAM_SHARE * spread
    return vector


def _projected(feature: str, dimension: int) -> np.ndarray:
    """The fixed random vector of one n-gram: a few signed buckets read off its hash, on any platform and version."""
    digest = hashlib.blake2b(feature.encode(), digest_size=4 * _BUCKETS_PER_FEATURE).digest()
    numbers = np.frombuffer(digest, dtype="<u4")
    vector = np.zeros(dimension, dtype=np.float32)
    np.add.at(vector, (numbers >> 1) % dimension, np.where(numbers & 1, 1.0, -1.0) / np.sqrt(_BUCKETS_PER_FEATURE))
    return vector
