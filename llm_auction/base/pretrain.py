"""Pretraining of the embedded model, done once; the result ships as package data (`llm_auction/base/model`).

A curriculum (`STAGES`): copy and look-up documents until the copy circuit stands, then the mixed corpus with up to ten
ads, look-ups by what an ad is needed for, look-ups by bid, whole rankings by what ads earn, and prompts of up to 100
ads while the learning rate falls. Knowledge of what questions are about and advice on the best ad for it follow, then
answers by authors of different habits, the same with several ads that go together in every piece of advice, and at last
with more catalogs like real feeds, whose titles are alike, each time while the rate falls. Muon trains the hidden
matrices and AdamW the rest. Only completions are learnt, those of one prompt in one forward pass that computes the
prompt once. Reproducible under a seed, and resumable: every step draws its documents from a stream of its own.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from llm_auction.base.architecture import CONTEXT, VOCABULARY, build_model
from llm_auction.base.corpus import Document, Mix, document
from llm_auction.base.lists import BY_BID, BY_BOTH, BY_NEED, BY_NEED_AND_TERM, BY_TERM, Completion
from llm_auction.base.pretrain_checkpoint import find_checkpoint, restore_checkpoint, save_checkpoint
from llm_auction.base.tokenizer import train_tokenizer
from llm_auction.irpo.checkpoints import only_training
from llm_auction.seeds import derive_seed

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the curriculum: so many steps of so many documents on one mix of them.

    `rate` is the learning rate at the stage's first and after its last step, as a share of the peak; linear in between.
    """

    name: str
    steps: int
    mix: Mix
    rate: tuple[float, float] = (1.0, 1.0)
    documents: int = 12


LOG_STEPS = 20
_FEW = (2, 3, 4, 5)
_USUAL = tuple(range(3, 11))
_LONG = (4, 5, 6, 7, 8, 8, 9, 10, 10, 10, 10, 12, 16, 20, 40) * 2 + (40, 60, 100)
_NEEDS = (BY_TERM, BY_BID, BY_BOTH, BY_NEED, BY_NEED, BY_NEED_AND_TERM, BY_NEED_AND_TERM)
_BIDS = (BY_BID, BY_BID, BY_BID, BY_TERM, BY_NEED, BY_NEED_AND_TERM)
_EVEN = (BY_TERM, BY_BID, BY_NEED, BY_NEED_AND_TERM)
_WOVEN = Mix(0.01, 0.08, _LONG, 0.18, 0.02, _EVEN, (0.15, 0.35), True, 0.3, 0.08)
STAGES = (
    Stage("copy", 600, Mix(copy_share=0.3, task_share=0.1, candidates=_FEW, lookup_share=0.6)),
    Stage("mixed", 400, Mix(copy_share=0.05, task_share=0.45, candidates=_USUAL, lookup_share=0.2)),
    Stage("relate", 800, Mix(0.02, 0.3, _USUAL, foreign_share=0.2, lookup_share=0.4, lookups=_NEEDS)),
    Stage("weigh", 500, Mix(0.02, 0.33, _USUAL, foreign_share=0.3, lookup_share=0.45, lookups=_BIDS)),
    # The first steps of a longer stage that was cut short, at its rates.
    Stage("lengthen", 100, Mix(0.02, 0.33, _LONG, 0.25, lookup_share=0.12, lookups=_BIDS), rate=(1.0, 1 - 0.98 / 6)),
    Stage("earn", 1200, Mix(0.02, 0.55, _USUAL, 0.2, 0.2, _EVEN, task_shares=(0.25, 0.3), whole_lists=True)),
    Stage("settle", 500, Mix(0.02, 0.4, _LONG, 0.25, 0.1, _EVEN, (0.25, 0.3), whole_lists=True), rate=(1.0, 0.02)),
    Stage(
        "advise", 500, Mix(0.01, 0.1, _USUAL, 0.1, 0.05, _EVEN, (0.1, 0.4), True, 0.24, 0.5), (0.7, 0.7), documents=20
    ),
    # The first steps of a longer stage that was cut short, at its rates.
    Stage(
        "compose",
        500,
        Mix(0.01, 0.12, _LONG, 0.2, 0.03, _EVEN, (0.15, 0.35), True, 0.13, 0.36),
        (0.7, 0.7 - 0.68 * 5 / 6),
        documents=20,
    ),
    Stage(
        "finish",
        240,
        Mix(0.01, 0.12, _LONG, 0.18, 0.02, _EVEN, (0.15, 0.35), True, 0.1, 0.25),
        (0.35, 0.02),
        documents=16,
    ),
    Stage("weave", 500, _WOVEN, (0.5, 0.02), documents=16),
    Stage("polish", 450, _WOVEN, (0.4, 0.02), documents=16),
    Stage("discern", 700, replace(_WOVEN, copy_share=0.05, foreign_share=0.45), (0.4, 0.02), documents=16),
    Stage("spell", 600, replace(_WOVEN, copy_share=0.08, foreign_share=0.5), (0.5, 0.02), documents=16),
    Stage("search", 450, replace(_WOVEN, copy_share=0.03, foreign_share=0.5), (0.4, 0.02), documents=16),
)


@dataclass(frozen=True, slots=True)
class PretrainConfig:
    """How the embedded model is trained.

    The shipped one had these stages too, but in parts, between which the corpus grew: its card says what differed.
    """

    seed: int = 0
    stages: tuple[Stage, ...] = STAGES
    tokens_per_forward: int = 4096
    muon_learning_rate: float = 1e-2
    adamw_learning_rate: float = 3e-3
    warmup_steps: int = 50
    tokenizer_documents: int = 20_000
    hidden: int = 128
    layers: int = 4
    checkpoint_steps: int = 200

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)


def pretrain(config: PretrainConfig, output: Path, on_log: Callable[[dict[str, object]], None]) -> Path:
    """Train the tokenizer and the model and save them to `output` as a Hugging Face directory.

    A directory that holds the checkpoint of an interrupted run is continued, also by a longer curriculum that begins
    as its own did. `on_log` receives step, stage, loss (nats a token, over the last steps), tokens a second and seconds
    every `LOG_STEPS` steps.

    Raises:
        ValueError: `output` holds a training with other settings or a damaged checkpoint, or another process trains
            there.
    """
    with only_training(output):
        return _train(config, output, on_log)


def _train(config: PretrainConfig, output: Path, on_log: Callable[[dict[str, object]], None]) -> Path:
    import torch
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    from llm_auction.generation.packed import micro_batches
    from llm_auction.generation.shared_prefix import use_shared_prefix

    checkpoint = output / "checkpoint"
    reached = find_checkpoint(checkpoint, config)
    if reached is not None:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
        assert isinstance(tokenizer, PreTrainedTokenizerFast)
        for how_loaded in ("is_local", "local_files_only"):  # else they would be saved along
            tokenizer.init_kwargs.pop(how_loaded, None)
    else:
        tokenizer = train_tokenizer(_tokenizer_texts(config), VOCABULARY, CONTEXT)
    model = build_model(tokenizer, hidden=config.hidden, layers=config.layers, seed=config.seed)
    optimizers = _optimizers(model, config)
    start = tokens = 0
    if reached is not None:
        restore_checkpoint(checkpoint, model, optimizers)
        start, tokens = reached["step"], reached["tokens"]
    tokens_before = tokens
    began, recent = time.monotonic(), deque[float](maxlen=LOG_STEPS)
    model.train()
    use_shared_prefix(model)
    for step in range(start, config.steps):
        stage, done = _stage_of(config, step)
        rate = (1 - done) * stage.rate[0] + done * stage.rate[1]
        rate *= min(1.0, (step + 1) / config.warmup_steps)
        for optimizer, peak in zip(optimizers, (config.muon_learning_rate, config.adamw_learning_rate), strict=True):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate
        rng = Random(derive_seed(config.seed, "pretrain", step))
        documents = [document(stage.mix, rng) for _ in range(stage.documents)]
        rows = [tokenized(tokenizer, example) for example in documents]
        learnt = sum(sum(row.learnt) for row in rows)
        loss = 0.0
        for batch in micro_batches(rows, config.tokens_per_forward):
            part = completions_loss(model, batch) / learnt
            part.backward()
            loss += part.item()
        tokens += sum(row.tokens for row in rows)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        recent.append(loss)
        mean = sum(recent) / len(recent)
        if (step + 1) % LOG_STEPS == 0:
            seconds = time.monotonic() - began
            speed = (tokens - tokens_before) / max(seconds, 1e-9)
            on_log({"step": step + 1, "stage": stage.name, "loss": mean, "tokens_per_s": speed, "seconds": seconds})
        if (step + 1) % config.checkpoint_steps == 0 or step + 1 == config.steps:
            state = {"step": step + 1, "tokens": tokens, "loss": mean}
            save_checkpoint(checkpoint, config, model, tokenizer, optimizers, state)
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    return output


def _tokenizer_texts(config: PretrainConfig) -> Iterator[str]:
    rng = Random(derive_seed(config.seed, "tokenizer"))
    mix = Mix(copy_share=0.0, task_share=0.1, candidates=(2, 3, 4))
    for _ in range(config.tokenizer_documents):
        example = document(mix, rng)
        yield example.messages[-1]["content"] + "\n" + example.completions[0].text


def _optimizers(model: Qwen3ForCausalLM, config: PretrainConfig) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    import torch

    hidden = [p for layer in model.model.layers for p in layer.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if not any(p is matrix for matrix in hidden)]
    muon = torch.optim.Muon(hidden, lr=config.muon_learning_rate)
    adamw = torch.optim.AdamW(others, lr=config.adamw_learning_rate, betas=(0.9, 0.95), weight_decay=0.0)
    return muon, adamw


def _stage_of(config: PretrainConfig, step: int) -> tuple[Stage, float]:
    """The stage of a step, and how far into it the step lies, in [0, 1)."""
    for stage in config.stages:
        if step < stage.steps:
            return stage, step / stage.steps
        step -= stage.steps
    raise ValueError(f"step {step} lies beyond the curriculum of {config.steps} steps")


@dataclass(frozen=True, slots=True)
class TokenizedDocument:
    """A document in tokens; `learnt` says of each token of the completions, one behind the other, whether it counts."""

    prompt: list[int]
    completions: list[list[int]]
    learnt: list[bool]

    @property
    def tokens(self) -> int:
        return len(self.prompt) + len(self.learnt)


def tokenized(tokenizer: PreTrainedTokenizerFast, example: Document) -> TokenizedDocument:
    """The document in tokens of `tokenizer`, its prompt in the chat template, every completion ended."""
    prompt = tokenizer.apply_chat_template(example.messages, tokenize=False, add_generation_prompt=True)
    completions: list[list[int]] = []
    learnt: list[bool] = []
    for completion in example.completions:
        encoded = tokenizer(completion.text, add_special_tokens=False, return_offsets_mapping=True)
        completions.append([*encoded["input_ids"], tokenizer.eos_token_id])
        learnt += [not _is_arbitrary(start, completion) for start, _ in encoded["offset_mapping"]] + [True]
    return TokenizedDocument(tokenizer(prompt, add_special_tokens=False)["input_ids"], completions, learnt)


def _is_arbitrary(start: int, completion: Completion) -> bool:
    return any(low <= start < high for low, high in completion.arbitrary)


def completions_loss(model: Qwen3ForCausalLM, rows: Sequence[TokenizedDocument]) -> torch.Tensor:
    """Summed negative log-likelihood, in nats, of the learnt tokens; the model must share prefixes."""
    import torch

    from llm_auction.generation.answer_scores import token_log_probabilities
    from llm_auction.generation.packed import pack

    logprobs_N = token_log_probabilities(model, pack([(row.prompt, row.completions) for row in rows]))
    return -logprobs_N[torch.tensor([wanted for row in rows for wanted in row.learnt])].sum()
