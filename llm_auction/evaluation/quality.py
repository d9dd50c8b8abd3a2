"""Answer quality from the text alone: the embedding metrics of GEM-Bench (arXiv 2509.14221), length, repetition and
disclosure.

With e_1..e_m the unit vectors of an answer's sentences, e their mean, and s a sentence that carries an inserted ad:

    local flow          mean cosine of e_k and e_(k+1)
    global coherence    mean cosine of e_k and e
    ad transition       mean cosine of e_s and its neighbours e_(s-1), e_(s+1)
    ad alignment        mean cosine of e_s and the mean of the sentences that carry no ad
    injection           whether the answer carries an ad at all

The encoder is the reward model's (`llm_auction.pctr.encoders`); figures of different encoders can't be compared. Ads
are read as a person reads them: by their titles, without the marks of the ad format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from llm_auction.answers import parse_answer
from llm_auction.market import Ad
from llm_auction.pctr.encoders import TextEncoder, unit_rows, words
from llm_auction.restraint import repeated_share
from llm_auction.sentences import mask_answer

# What tells a reader that something is an ad. The id in the ad format is not text: a page turns it into a link.
DISCLOSURE = re.compile(
    r"\b(?:ads?|advert\w*|sponsor\w*|promot(?:ed|ions?|ional)|paid (?:partnership|placement|content)|affiliate)\b",
    re.IGNORECASE,
)
KEYS = ("mechanism", "iteration", "variant", "query_id", "sample_index")
QUALITY_SCHEMA: dict[str, pl.DataType] = {
    "mechanism": pl.String(),
    "iteration": pl.String(),
    "variant": pl.String(),
    "query_id": pl.String(),
    "sample_index": pl.Int64(),
    "injection": pl.Float64(),
    "local_flow": pl.Float64(),
    "global_coherence": pl.Float64(),
    "ad_transition": pl.Float64(),
    "ad_alignment": pl.Float64(),
    "words": pl.Float64(),
    "repetition": pl.Float64(),
    "disclosure": pl.Float64(),
}


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """An answer as a person reads it.

    `sentences` with the titles of their ads (at the end of the sentence); `ad_sentences` are the indices of those that
    carry one; `own_text` is the answer without ads.
    """

    sentences: tuple[str, ...]
    ad_sentences: tuple[int, ...]
    own_text: str


def read_answer(answer: str, candidates: Sequence[Ad]) -> ReadAnswer:
    """Cut an answer into sentences and put the titles of inserted ads where the marks of the format stood."""
    parsed = parse_answer(answer, candidates)
    masked = mask_answer(answer, parsed)
    titles = {ad.ad_id: ad.title for ad in candidates}
    sentences = [sentence.strip() for sentence in masked.sentences]
    for ad_id, place in zip(parsed.ad_ids, masked.places, strict=True):
        sentences[place] = f"{sentences[place]} {titles[ad_id]}"
    return ReadAnswer(tuple(sentences), tuple(sorted(set(masked.places))), " ".join(masked.sentences))


def answer_quality(outcomes: pl.DataFrame, ads: Mapping[str, Ad], encoder: TextEncoder) -> pl.DataFrame:
    """Every metric of every answer, columns as in `QUALITY_SCHEMA`; null where a metric is not defined.

    Flow and coherence need two sentences, ad metrics an ad and a sentence beside it, disclosure an ad.

    Args:
        outcomes: rows as in `OUTCOME_SCHEMA`.
        ads: the catalog by ad id.
        encoder: embeds the sentences.

    Raises:
        ValueError: an outcome names a candidate that the catalog does not hold.
    """
    read = [
        read_answer(answer, _candidates(ad_ids, ads))
        for answer, ad_ids in outcomes.select("answer", "candidate_ad_ids").iter_rows()
    ]
    # Models repeat themselves: a sentence is embedded once, however often it was written.
    place = {text: index for index, text in enumerate(dict.fromkeys(s for one in read for s in one.sentences))}
    vectors = encoder.encode(list(place)).astype(np.float64) if place else np.zeros((0, encoder.dimension))
    rows = [
        {**keys, **_metrics(one, vectors[[place[sentence] for sentence in one.sentences]])}
        for keys, one in zip(outcomes.select(KEYS).iter_rows(named=True), read, strict=True)
    ]
    return pl.DataFrame(rows, schema=QUALITY_SCHEMA)


def _metrics(read: ReadAnswer, vectors: np.ndarray) -> dict[str, float | None]:
    sentences, with_ad = len(read.sentences), set(read.ad_sentences)
    text = " ".join(read.sentences)
    metrics: dict[str, float | None] = {
        "injection": float(bool(with_ad)),
        "local_flow": None,
        "global_coherence": None,
        "ad_transition": None,
        "ad_alignment": None,
        "words": float(len(words(text))),
        "repetition": repeated_share(text),
        "disclosure": float(DISCLOSURE.search(read.own_text) is not None) if with_ad else None,
    }
    if sentences < 2:
        return metrics
    neighbours = (vectors[:-1] * vectors[1:]).sum(axis=1)
    metrics["local_flow"] = float(neighbours.mean())
    metrics["global_coherence"] = float((vectors @ _direction(vectors)).mean())
    if with_ad:
        touching = [neighbours[k] for k in range(sentences - 1) if k in with_ad or k + 1 in with_ad]
        metrics["ad_transition"] = float(np.mean(touching))
        others = [index for index in range(sentences) if index not in with_ad]
        if others:
            metrics["ad_alignment"] = float((vectors[sorted(with_ad)] @ _direction(vectors[others])).mean())
    return metrics


def _direction(vectors: np.ndarray) -> np.ndarray:
    return unit_rows(vectors.mean(axis=0, keepdims=True))[0]


def _candidates(ad_ids: Sequence[str], ads: Mapping[str, Ad]) -> list[Ad]:
    missing = [ad_id for ad_id in ad_ids if ad_id not in ads]
    if missing:
        raise ValueError(
            f"mechanism_outcomes names ad {missing[0]}, which ad_catalog does not hold: the catalog has changed; "
            "materialize mechanism_outcomes again"
        )
    return [ads[ad_id] for ad_id in ad_ids]
