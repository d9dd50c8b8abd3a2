"""The pretrained Ad-LLM as a mechanism: pi_0 with all candidates and bids in its prompt, one sample, no training."""

from __future__ import annotations

from llm_auction.mechanisms.llm_auction import LlmAuction


class PretrainedAdLlm(LlmAuction):
    """LLM-Auction before its first iteration: same prompt, sampling and billing, only the weights are pi_0's."""

    name = "pretrained"
