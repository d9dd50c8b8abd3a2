"""The relevance q of RAG-Auction, from the project's own retrieval (`llm_auction.candidates`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from llm_auction.candidates import AdRetriever
from llm_auction.market import Ad, Auction


class AdRelevance(Protocol):
    """q of the candidates; must not depend on the bids."""

    def __call__(self, auction: Auction, written: str = "") -> np.ndarray:
        """(n,) q_i in [0, 1] of the auction's candidates, in their order, to the query and what is `written` so far."""
        ...


def relevance_by_retrieval(ads: Sequence[Ad]) -> AdRelevance:
    """BM25 of each candidate to the question, as a share of the best that any ad of the catalog `ads` can reach.

    Raises:
        ValueError: the catalog is empty.
    """
    retriever = AdRetriever(ads)
    position = {ad.ad_id: number for number, ad in enumerate(ads)}

    def relevance(auction: Auction, written: str = "") -> np.ndarray:
        of_catalog = retriever.relevance(f"{auction.query.text} {written}")
        return of_catalog[[position[ad.ad_id] for ad in auction.candidates]]

    return relevance
