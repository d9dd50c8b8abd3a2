"""Mechanisms: an allocation rule and a payment rule each, one file each, behind one protocol."""

from llm_auction.mechanisms.ad_relevance import AdRelevance, relevance_by_retrieval
from llm_auction.mechanisms.best_of_n import BestOfN
from llm_auction.mechanisms.click_estimates import clicks_from_pctr, clicks_from_user
from llm_auction.mechanisms.llm_auction import LlmAuction
from llm_auction.mechanisms.mosaic import AnswerLikelihood, MosaicAuction
from llm_auction.mechanisms.pretrained import PretrainedAdLlm
from llm_auction.mechanisms.protocol import ClickEstimator, Mechanism, Outcome
from llm_auction.mechanisms.rag_auction import RagAuction
from llm_auction.mechanisms.rag_segment_auction import RagSegmentAuction

__all__ = [
    "AdRelevance",
    "AnswerLikelihood",
    "BestOfN",
    "ClickEstimator",
    "LlmAuction",
    "Mechanism",
    "MosaicAuction",
    "Outcome",
    "PretrainedAdLlm",
    "RagAuction",
    "RagSegmentAuction",
    "clicks_from_pctr",
    "clicks_from_user",
    "relevance_by_retrieval",
]
