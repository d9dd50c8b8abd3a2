"""Latent topics: which words are about the same thing, learnt from texts alone (latent semantic analysis).

A question says "muddy trails" where the ad says "hiking boots"; answers say both. A truncated SVD of the TF-IDF matrix
of questions with their answers, of ads, and of sentences with the ads they name brings such words together before any
click is seen. It is fitted on texts without labels, then frozen.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from scipy import sparse
from scipy.sparse import linalg as sparse_linalg

from llm_auction.pctr.encoders import STOP_WORDS, in_blocks, stem, unit_rows, words

TOPICS = 64
_MIN_DOCUMENTS = 2
_MAX_TERMS = 30_000
_MAX_DOCUMENTS = 60_000


@dataclass(frozen=True)
class LatentTopics:
    """`vectors[i]` (terms x topics, float32) is what `terms[i]` adds to a text; rare terms add more."""

    terms: tuple[str, ...]
    vectors: np.ndarray

    @cached_property
    def _place(self) -> dict[str, int]:
        return {term: index for index, term in enumerate(self.terms)}

    @property
    def dimension(self) -> int:
        return self.vectors.shape[1]

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """One unit vector a text (float32); zeros where no term is known."""
        return in_blocks(self._encode, texts, self.dimension)

    def _encode(self, texts: Sequence[str]) -> np.ndarray:
        counts = _counts([topical_stems(text) for text in texts], self._place)
        return unit_rows(np.asarray(counts @ self.vectors, dtype=np.float32))


def topical_stems(text: str) -> list[str]:
    """The stems of the words that carry a topic."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS]


def fit_topics(documents: Sequence[str], dimension: int = TOPICS) -> LatentTopics:
    """Latent topics of a corpus; rare terms, in one document only, are left out.

    The result has `dimension` columns whatever the corpus; those beyond its rank are zero. Documents are thinned out
    evenly when there are more than 60,000.
    """
    step = max(1, math.ceil(len(documents) / _MAX_DOCUMENTS))
    tokens = [topical_stems(document) for document in documents[::step]]
    frequency = Counter(term for document in tokens for term in set(document))
    kept = [term for term, count in frequency.items() if count >= _MIN_DOCUMENTS]
    terms = tuple(sorted(sorted(kept), key=lambda term: -frequency[term])[:_MAX_TERMS])
    vectors = np.zeros((len(terms), dimension), dtype=np.float32)
    rank = min(dimension, len(terms) - 1, len(tokens) - 1)
    if rank < 1:
        return LatentTopics(terms, vectors)
    idf = np.asarray([math.log((1 + len(tokens)) / (1 + frequency[term])) + 1 for term in terms])
    counts = _counts(tokens, {term: index for index, term in enumerate(terms)})
    weighted = counts @ sparse.diags(idf)
    norms = sparse_linalg.norm(weighted, axis=1)
    weighted = sparse.diags(1 / np.where(norms > 0, norms, 1.0)) @ weighted
    # A fixed start makes the decomposition reproducible.
    _, _, right = sparse_linalg.svds(weighted.tocsr(), k=rank, v0=np.ones(min(weighted.shape)))
    signs = np.sign(right[np.arange(rank), np.abs(right).argmax(axis=1)])
    vectors[:, :rank] = (right * signs[:, None]).T[:, ::-1] * idf[:, None]
    return LatentTopics(terms, vectors)


def _counts(tokens: Sequence[Sequence[str]], place: dict[str, int]) -> sparse.csr_matrix:
    """Texts x terms, 1 + log(count): a word said twice weighs little more than a word said once."""
    known = [[place[token] for token in text if token in place] for text in tokens]
    ends = np.cumsum([0, *map(len, known)])
    columns = np.fromiter(chain.from_iterable(known), dtype=np.int64, count=ends[-1])
    matrix = sparse.csr_matrix((np.ones(len(columns)), columns, ends), shape=(len(tokens), len(place)))
    matrix.sum_duplicates()
    matrix.data = 1.0 + np.log(matrix.data)
    return matrix
