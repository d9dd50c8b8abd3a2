"""Choosing the next token: temperature, top-k and top-p by inversion of one uniform, and its log-probability.

The order is that of Hugging Face `generate` (temperature, then top-k, then top-p on what top-k left), so that the same
settings name the same distribution.
"""

from __future__ import annotations

import torch
from torch import Tensor

from llm_auction.profiles.schema import SamplingConfig


def choose_tokens(logits_RV: Tensor, uniforms_R: Tensor, sampling: SamplingConfig) -> tuple[Tensor, Tensor]:
    """The next token of every row and its log-probability at temperature 1 over the whole vocabulary.

    Args:
        logits_RV: one row of logits an answer, float32.
        uniforms_R: one uniform in [0, 1) an answer; a token's interval of the cumulative distribution chooses it.
        sampling: temperature, top_k (0 keeps every token) and top_p.
    """
    top_RK, tokens_RK, weights_RK = _kept(logits_RV, sampling)
    mass_RK = weights_RK.cumsum(-1)
    threshold_R1 = uniforms_R[:, None] * mass_RK[:, -1:]
    # Rounding may leave the threshold at the total mass itself: the last token that has weight is meant then.
    last_R1 = (weights_RK > 0).sum(-1, keepdim=True) - 1
    index_R1 = torch.minimum((mass_RK <= threshold_R1).sum(-1, keepdim=True), last_R1)
    logprobs_R = top_RK.gather(-1, index_R1).squeeze(-1) - logits_RV.logsumexp(-1)
    return tokens_RK.gather(-1, index_R1).squeeze(-1), logprobs_R


def sampling_log_probabilities(logits_RV: Tensor, tokens_R: Tensor, sampling: SamplingConfig) -> Tensor:
    """log of the probability with which `choose_tokens` takes given tokens; -inf for those that it never takes."""
    _, kept_RK, weights_RK = _kept(logits_RV, sampling)
    weight_R = (weights_RK * (kept_RK == tokens_R[:, None])).sum(-1)
    return weight_R.log() - weights_RK.sum(-1).log()


def _kept(logits_RV: Tensor, sampling: SamplingConfig) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, tokens and weights of the tokens that top-k keeps, best first; the weight is 0 where top-p drops one."""
    vocabulary = logits_RV.shape[-1]
    kept = min(sampling.top_k, vocabulary) if sampling.top_k else vocabulary
    top_RK, tokens_RK = logits_RV.topk(kept, dim=-1)
    weights_RK = torch.softmax(top_RK / sampling.temperature, dim=-1)
    if sampling.top_p < 1.0:
        before_RK = weights_RK.cumsum(-1) - weights_RK
        weights_RK = weights_RK * (before_RK < sampling.top_p)  # the token that crosses top_p stays in
    return top_RK, tokens_RK, weights_RK
