"""What a model says of the tokens of packed answers, without ever holding all their logits.

The logits of 4,096 tokens over a vocabulary of 152,000 take 2.5 GB in float32, their softmax and its gradient as much
again. So logits exist at answer positions only, and the output layer runs on a few hundred of them at a time; the
backward pass computes each chunk anew. It is the model itself that calls the layer, in its place: wrappers of
distributed training see one ordinary forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from llm_auction.generation.packed import PackedBatch
from llm_auction.generation.shared_prefix import PromptState

# (logits_NV in float32, tokens_N) -> one value a token.
TokenScore = Callable[[Tensor, Tensor], Tensor]

CHUNK_LOGITS = 2**26  # 256 MB in float32


def output_layer(model: Any) -> Any | None:
    """The layer that makes the logits; None where the model changes them afterwards (soft caps, scales).

    Call it after `use_shared_prefix(model)` and before any wrapper of distributed training. It reads one token.
    """
    head = model.get_output_embeddings()
    if head is None:
        return None
    made: list[Tensor] = []
    watch = head.register_forward_hook(lambda module, inputs, logits: made.append(logits))
    try:
        with torch.no_grad():
            token = torch.zeros((1, 1), dtype=torch.long, device=model.device)
            logits = model(token, use_cache=False, shared_prefix=PromptState()).logits
    finally:
        watch.remove()
    return head if len(made) == 1 and torch.equal(made[0], logits) else None


def token_log_probabilities(
    model: Any, batch: PackedBatch, head: Any | None = None, chunk_logits: int = CHUNK_LOGITS
) -> Tensor:
    """log pi(token | prompt, earlier tokens) in nats of every answer token, in packed order; see `token_scores`."""
    return token_scores(model, batch, _log_probabilities, head, chunk_logits)


def token_scores(
    model: Any, batch: PackedBatch, score: TokenScore, head: Any | None = None, chunk_logits: int = CHUNK_LOGITS
) -> Tensor:
    """`score` of every answer token, in packed order; differentiable where `score` is.

    Args:
        model: must call our attention (`use_shared_prefix`); may be wrapped for distributed training.
        batch: the packed prompts and answers.
        score: takes logits and tokens, gives one value a token.
        head: the model's `output_layer`, which then runs chunk by chunk; None computes all logits at once.
        chunk_logits: most logits at a time.
    """
    if head is None:
        logits_PV = _forward(model, batch)
        return score(logits_PV[batch.target_row_N].float(), batch.target_token_N)
    with _scoring(head, batch, score, chunk_logits):
        return _forward(model, batch)[:, 0]


def _log_probabilities(logits_NV: Tensor, tokens_N: Tensor) -> Tensor:
    return -cross_entropy(logits_NV, tokens_N, reduction="none")


def _forward(model: Any, batch: PackedBatch) -> Tensor:
    return model(
        batch.input_ids_1S,
        position_ids=batch.position_ids_1S,
        use_cache=False,
        logits_to_keep=batch.logits_at_P,
        shared_prefix=batch.attention,
    ).logits[0]


@contextmanager
def _scoring(head: Any, batch: PackedBatch, score: TokenScore, chunk_logits: int) -> Iterator[None]:
    """Meanwhile `head` returns (1, tokens, 1) scores in place of logits."""
    logits_of = head.forward
    size = max(1, chunk_logits // head.weight.shape[0])

    def scores_of(hidden_ND: Tensor, tokens_N: Tensor) -> Tensor:
        return score(logits_of(hidden_ND).float(), tokens_N)

    def forward(hidden_1PD: Tensor) -> Tensor:
        hidden_ND = hidden_1PD[0].index_select(0, batch.target_row_N)
        chunks = list(zip(hidden_ND.split(size), batch.target_token_N.split(size), strict=True))
        if len(chunks) == 1 or not torch.is_grad_enabled():
            scores = [scores_of(*chunk) for chunk in chunks]
        else:
            scores = [checkpoint(scores_of, *chunk, use_reentrant=False) for chunk in chunks]
        return torch.cat([part[None, :, None] for part in scores], dim=1)  # no view: FSDP hooks the tensor itself

    head.forward = forward
    try:
        yield
    finally:
        del head.forward  # the class's own is back
