"""From rows of an impression table to impressions, for the simulated loop and for real logs alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import itemgetter

import polars as pl

from llm_auction.market import Ad
from llm_auction.pctr.impressions import Impression


def impressions_from_rows(frame: pl.DataFrame, ads: Mapping[str, Ad], key: Sequence[str]) -> list[Impression]:
    """One impression a row.

    Args:
        frame: all inserted ads of each answer, one behind the other in reading order: ad_id, user_id, query, profile,
            answer and the columns of `key`.
        ads: the catalog, which holds every ad of the frame.
        key: the columns that identify an answer.
    """
    impressions: list[Impression] = []
    for _, group in groupby(frame.iter_rows(named=True), itemgetter(*key)):
        rows = list(group)
        shown = tuple(ads[row["ad_id"]] for row in rows)
        first = rows[0]
        impressions += [
            Impression(
                first["user_id"], first["query"], first["profile"], first["answer"], ad, place, len(shown), shown
            )
            for place, ad in enumerate(shown)
        ]
    return impressions
