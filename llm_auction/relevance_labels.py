"""How good retrieval is, on pairs of query and ad that people labelled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from llm_auction.answers import AD_ID_PREFIX
from llm_auction.candidates import AdRetriever, top
from llm_auction.catalog.columns import ColumnMapping
from llm_auction.catalog.fields import clean_identifier, clean_text
from llm_auction.catalog.files import detect_format, find_files, read_rows
from llm_auction.catalog.rows import InvalidField, SourceError
from llm_auction.market import Ad, Query
from llm_auction.seeds import generator

_COLUMNS = {"query_id": ("query_id",), "ad_id": ("ad_id", "product_id"), "label": ("label", "relevance")}

# query id -> ad id -> grade, >= 0; positive means relevant.
Labels = Mapping[str, Mapping[str, float]]


class RelevanceLabelsError(SourceError):
    """The file of labels can't be used; the message names the row."""


@dataclass(frozen=True, slots=True)
class RetrievalQuality:
    """Ranking quality at `k`, averaged over the `queries` that have a relevant ad in the catalog.

    `recall`: share of the relevant ads among the first k. `ndcg`: normalised discounted cumulative gain of the first
    k (gain = grade, an unlabelled ad counts 0). `outside_catalog`: relevant labelled ads that the catalog lacks,
    left out of both.
    """

    k: int
    queries: int
    recall: float
    ndcg: float
    outside_catalog: int

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def read_relevance_labels(source: str) -> dict[str, dict[str, float]]:
    """Labelled pairs from a file with the columns query_id, ad_id (or product_id) and label (a number >= 0).

    Raises:
        RelevanceLabelsError: no such file, a missing column, or the first row that can't be read.
    """
    labels: dict[str, dict[str, float]] = {}
    try:
        for path in find_files(source):
            mapping = ColumnMapping(_COLUMNS, {}, tuple(_COLUMNS), "the file's header")
            for row in read_rows(path, detect_format(path)):
                if row.problem is not None:
                    raise SourceError(f"{row.source}:{row.number} {row.problem}")
                mapping.check(str(path), row.values)
                try:
                    query_id = clean_identifier(mapping.value(row.values, "query_id"), "query_id")
                    ad_id = clean_identifier(mapping.value(row.values, "ad_id"), "ad_id", prefix=AD_ID_PREFIX)
                    labels.setdefault(query_id, {})[ad_id] = _grade(mapping.value(row.values, "label"))
                except InvalidField as error:
                    raise SourceError(f"{row.source}:{row.number} {error.field} {error.reason}") from error
    except SourceError as error:
        raise RelevanceLabelsError(f"candidates.relevance_labels: {error}") from error
    return labels


def _grade(value: object) -> float:
    text = clean_text(value, "label")
    try:
        grade = float(text)
    except ValueError:
        grade = -1.0
    if not 0.0 <= grade < float("inf"):
        raise InvalidField("label", f"must be a number >= 0, got {text[:40]!r}")
    return grade


def retrieval_quality(
    queries: Iterable[Query], ads: Sequence[Ad], labels: Labels, ks: Sequence[int]
) -> list[RetrievalQuality]:
    """Recall and NDCG of the retriever's ranking at each k; no random ads are mixed in.

    Raises:
        ValueError: no query has a labelled relevant ad in the catalog.
    """
    retriever = AdRetriever(ads)
    position = {ad.ad_id: index for index, ad in enumerate(ads)}
    largest = min(max(ks), len(ads))
    recalls: dict[int, list[float]] = {k: [] for k in ks}
    ndcgs: dict[int, list[float]] = {k: [] for k in ks}
    outside = 0
    for query in queries:
        graded = {ad_id: grade for ad_id, grade in labels.get(query.query_id, {}).items() if grade > 0}
        gains = {position[ad_id]: grade for ad_id, grade in graded.items() if ad_id in position}
        outside += len(graded) - len(gains)
        if not gains:
            continue
        ranked = top(retriever.relevance(query.text), largest, generator(0, "retrieval quality", query.query_id))
        found = np.array([gains.get(int(index), 0.0) for index in ranked])
        ideal = np.sort(np.array(list(gains.values())))[::-1]
        for k in ks:
            recalls[k].append(float(np.count_nonzero(found[:k])) / len(gains))
            ndcgs[k].append(_discounted(found[:k]) / _discounted(ideal[:k]))
    if not recalls[ks[0]]:
        raise ValueError("no query has a labelled relevant ad in the catalog: are query and ad ids those of the files?")
    return [
        RetrievalQuality(k, len(recalls[k]), float(np.mean(recalls[k])), float(np.mean(ndcgs[k])), outside) for k in ks
    ]


def _discounted(gains: np.ndarray) -> float:
    """Discounted cumulative gain: sum of gain / log2(rank + 1), ranks from 1."""
    return float(np.sum(gains / np.log2(np.arange(2, len(gains) + 2))))
