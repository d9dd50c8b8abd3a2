"""The relevance that RAG-Auction reads off the project's own retrieval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llm_auction.mechanisms import relevance_by_retrieval
from tests.llm_auction.mechanisms.fakes import ADS, auctions


def test_it_follows_the_words_of_the_question_and_of_what_is_written() -> None:
    (auction,) = auctions(1)
    asked = replace(auction, query=replace(auction.query, text="Which kayak should I buy?"))
    relevance = relevance_by_retrieval(ADS)
    before, after = relevance(asked), relevance(asked, "A tent keeps you dry; bring camping gear.")
    assert before.shape == (len(ADS),) and ((before >= 0) & (before <= 1)).all()
    assert before.argmax() == 5 and before[1] == 0.0
    assert after[1] > 0.0


def test_it_comes_in_the_order_of_the_candidates_and_knows_no_bid() -> None:
    (auction,) = auctions(1)
    relevance = relevance_by_retrieval(ADS)
    turned = replace(auction, candidates=ADS[::-1], bids=tuple(bid + 1 for bid in auction.bids))
    np.testing.assert_array_equal(relevance(turned), relevance(auction)[::-1])
    assert relevance(replace(auction, candidates=ADS[2:3], bids=(5,))).shape == (1,)


def test_it_needs_a_catalog() -> None:
    with pytest.raises(ValueError, match="at least one ad"):
        relevance_by_retrieval([])
