"""Mechanisms: an allocation rule and a payment rule each, one file each, behind one protocol."""

from llm_auction.mechanisms.click_estimates import clicks_from_pctr, clicks_from_user
from llm_auction.mechanisms.llm_auction import LlmAuction
from llm_auction.mechanisms.mosaic import MosaicAuction
from llm_auction.mechanisms.pretrained import PretrainedAdLlm
from llm_auction.mechanisms.protocol import ClickEstimator, Mechanism, Outcome
from llm_auction.mechanisms.rag_auction import RagAuction

__all__ = [
    "ClickEstimator",
    "LlmAuction",
    "Mechanism",
    "MosaicAuction",
    "Outcome",
    "PretrainedAdLlm",
    "RagAuction",
    "clicks_from_pctr",
    "clicks_from_user",
]
