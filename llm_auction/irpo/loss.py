"""The preference loss of one prompt (arXiv 2512.10551, Eq. 6), summed over its losers, with an SFT term on the winner.

    L = sum_{l in S} -log sigmoid( beta * [ (log pi(y_w) - log ref(y_w)) - (log pi(y_l) - log ref(y_l)) ] )
        - sft_weight * log pi(y_w) / |y_w|

The second term (Pang et al., arXiv 2404.19733) keeps the winner's own probability from falling along with the
losers'; it is not part of the paper and `sft_weight = 0` leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


@dataclass(frozen=True, slots=True)
class PreferenceLoss:
    """The loss, summed over prompts (differentiable), and what to watch while it falls (plain numbers, sums).

    `winner_change` and `loser_change` are log pi - log ref in nats. `kl` divided by `answers` estimates
    KL(reference || policy) in nats an answer: a sum over their tokens of w - 1 - log w with w = pi / ref (Schulman's k3
    estimator: never negative, little variance). It is a mean over winner and losers only, losers as often as they were
    drawn and the winner once; answers that take no side are not in it.
    """

    loss: Tensor
    prompts: int
    pairs: int
    pairs_in_order: int
    answers: int
    margin: float
    winner_change: float
    loser_change: float
    kl: float
    winner_nll: float


def preference_loss(
    logprobs_N: Tensor,
    reference_N: Tensor,
    answer_of_N: Tensor,
    counts: list[list[int]],
    beta: float,
    sft_weight: float,
) -> PreferenceLoss:
    """Eq. 6 over prompts whose answers lie behind each other, the winner first.

    Args:
        logprobs_N: log pi of every answer token, nats.
        reference_N: log ref of the same tokens.
        answer_of_N: the number of the answer that each token belongs to, through all prompts.
        counts: for every prompt, how many sampled answers each of its distinct answers stands for; 0 for all of a
            prompt that is to count for nothing.
        beta: strength of the pull towards the reference.
        sft_weight: weight of the winner's negative log-likelihood per token.
    """
    device = logprobs_N.device
    sizes = torch.tensor([len(row) for row in counts], device=device)
    winner_P = sizes.cumsum(0) - sizes
    counts_A = torch.tensor([count for row in counts for count in row], device=device)
    is_loser_A = torch.ones(len(counts_A), dtype=torch.bool, device=device)
    is_loser_A[winner_P] = False
    counts_P = (counts_A[winner_P] > 0).float()

    def by_answer(values_N: Tensor) -> Tensor:
        return values_N.new_zeros(len(counts_A)).index_add(0, answer_of_N, values_N)

    ratio_N = logprobs_N - reference_N
    ratio_A = by_answer(ratio_N)
    loser_counts = counts_A[is_loser_A]
    margins = beta * (ratio_A[winner_P].repeat_interleave(sizes - 1) - ratio_A[is_loser_A])
    winner_nll_P = -by_answer(logprobs_N)[winner_P] / torch.bincount(answer_of_N)[winner_P]
    loss = -(logsigmoid(margins) * loser_counts).sum()
    if sft_weight:
        loss = loss + sft_weight * (winner_nll_P * counts_P).sum()

    ratio_N, ratio_A, margins = ratio_N.detach(), ratio_A.detach(), margins.detach()
    return PreferenceLoss(
        loss=loss,
        prompts=int(counts_P.sum()),
        pairs=int(loser_counts.sum()),
        pairs_in_order=int((loser_counts * (margins > 0)).sum()),
        answers=int(counts_A.sum()),
        margin=float((margins * loser_counts).sum()),
        winner_change=float((ratio_A[winner_P] * counts_P).sum()),
        loser_change=float((ratio_A[is_loser_A] * loser_counts).sum()),
        kl=float((by_answer(ratio_N.expm1() - ratio_N) * counts_A).sum()),
        winner_nll=float((winner_nll_P.detach() * counts_P).sum()),
    )
