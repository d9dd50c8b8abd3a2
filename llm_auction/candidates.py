"""Candidate retrieval: which ads compete for an answer, and how relevant each is to the question.

All ads compete when they fit in the prompt. Else the most relevant ones do, by BM25 (bm25s) over title, advertiser,
category and description, joined by a share of random ads: without them the model would never see an ad that is off
the topic and could not learn what it does to the others (externalities).

Measured on 80 labelled real queries over 1,484 ads, recall@10 / NDCG@10: BM25 0.50 / 0.40, with plurals folded
0.53 / 0.43, TF-IDF of words 0.49 / 0.39, of character 3- to 5-grams 0.50 / 0.40 at ten times the time.

The index is inverted: a query touches the ads that share a word with it, and finds exactly the best of them; what else
grows with the catalog is one pass over its scores (`python -m tests.benchmarks.retrieval`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llm_auction.market import Ad, Query
from llm_auction.profiles.schema import CandidatesConfig
from llm_auction.seeds import generator

_TIE_BREAK = 1e-9  # far below any difference of BM25 scores
_SHORTEST_PLURAL = 4


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidate ads of one query in prompt order, and their relevance q_i in [0, 1] in the same order."""

    query_id: str
    ad_ids: tuple[str, ...]
    relevance: tuple[float, ...]


class AdRetriever:
    """A text index of the catalog.

    The relevance of an ad is its BM25 score as a share of the best that any ads reach on the query's words one by
    one: 1 for an ad that is the best match of every word, 0 for one that shares no word.

    Raises:
        ValueError: there is no ad.
    """

    def __init__(self, ads: Sequence[Ad]) -> None:
        import bm25s

        if not ads:
            raise ValueError("a retriever needs at least one ad")
        self.ads = tuple(ads)
        # The title counts twice: it is what answers show, and descriptions of real feeds ramble.
        texts = [f"{ad.title} {ad.title} {ad.advertiser} {ad.category} {ad.description}" for ad in ads]
        words = _tokenize(texts)
        self._index = bm25s.BM25()
        self._vocabulary = {word for text in words for word in text if word}
        if self._vocabulary:  # bm25s refuses a catalog without a single word
            self._index.index(words, show_progress=False)
        self._best: dict[str, float] = {}

    def relevance(self, text: str) -> NDArray[np.float64]:
        """The relevance of every ad to `text`, in catalog order, each in [0, 1]."""
        words = [word for word in _tokenize([text])[0] if word in self._vocabulary]
        if not words:
            return np.zeros(len(self.ads))
        attainable = sum(self._best_score(word) for word in words)
        if attainable <= 0.0:
            return np.zeros(len(self.ads))
        scores = np.asarray(self._index.get_scores(words), dtype=np.float64)
        return np.clip(scores / attainable, 0.0, 1.0)

    def _best_score(self, word: str) -> float:
        if word not in self._best:
            self._best[word] = float(self._index.get_scores([word]).max())
        return self._best[word]


def find_candidates(
    queries: Iterable[Query], ads: Sequence[Ad], config: CandidatesConfig, seed: int
) -> list[Candidates]:
    """The candidates of every query, in an order that says nothing about relevance.

    What a query gets depends on its id, its text, the catalog and the seed, not on the other queries.

    Raises:
        ValueError: the catalog is empty.
    """
    retriever = AdRetriever(ads)
    return [candidates_of(query, retriever, config, seed) for query in queries]


def candidates_of(query: Query, retriever: AdRetriever, config: CandidatesConfig, seed: int) -> Candidates:
    """The candidates of one query; see `find_candidates`."""
    rng = generator(seed, "candidates", query.query_id)
    relevance = retriever.relevance(query.text)
    chosen = np.arange(len(relevance))
    if len(relevance) > config.per_query:
        drawn = round(config.per_query * config.random_share)
        ranked = top(relevance, config.per_query - drawn, rng)
        others = np.ones(len(relevance), dtype=np.bool_)
        others[ranked] = False
        rest = chosen[others]
        chosen = np.concatenate([ranked, rng.choice(rest, size=drawn, replace=False)])
    order = rng.permutation(chosen)
    return Candidates(
        query_id=query.query_id,
        ad_ids=tuple(retriever.ads[index].ad_id for index in order),
        relevance=tuple(float(relevance[index]) for index in order),
    )


def top(relevance: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The positions of the `count` highest values, best first; equal ones in an order drawn from `rng`."""
    if count == 0:
        return np.empty(0, dtype=np.int64)
    keys = relevance + _TIE_BREAK * rng.random(len(relevance))
    count = min(count, len(keys))
    best = np.argpartition(-keys, count - 1)[:count]
    return best[np.argsort(-keys[best])]


def _tokenize(texts: list[str]) -> list[list[str]]:
    """Lower-case words without English stop words, plurals folded into the singular."""
    import bm25s

    return bm25s.tokenize(texts, stopwords="en", stemmer=_fold_plurals, return_ids=False, show_progress=False)


def _fold_plurals(words: list[str]) -> list[str]:
    return [_singular(word) for word in words]


def _singular(word: str) -> str:
    if len(word) < _SHORTEST_PLURAL or not word.endswith("s") or word.endswith("ss"):
        return word
    if word.endswith("ies") and len(word) > _SHORTEST_PLURAL:
        return f"{word[:-3]}y"
    if word.endswith(("ses", "xes", "zes", "hes")) and len(word) > _SHORTEST_PLURAL:
        return word[:-2]
    return word[:-1]
