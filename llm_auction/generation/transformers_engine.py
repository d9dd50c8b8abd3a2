"""Answers from a Hugging Face causal model in this process: every prompt read once, finished answers dropped.

Prompts are sorted by length, each batch is prefilled once and its keys and values serve all M answers; rows that have
ended leave the batch. Noise belongs to the answer (`noise`), so results don't depend on batching, up to the float
noise of the logits.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from llm_auction.generation.checkpoint import eos_token_ids, load_model, load_tokenizer
from llm_auction.generation.choice import choose_tokens, sampling_log_probabilities
from llm_auction.generation.decoders import CacheDecoder, Decoder, SharedPrefixDecoder
from llm_auction.generation.noise import answer_uniforms
from llm_auction.generation.packed import answer_logits, pack, sum_by_answer, token_log_probabilities
from llm_auction.generation.protocol import GeneratedAnswer, Messages, Progress
from llm_auction.generation.shared_prefix import supports_shared_prefix, use_shared_prefix
from llm_auction.profiles.schema import SamplingConfig

# Live rows are moved together once at least this share of them has ended: moving costs about two steps.
COMPACT_SHARE = 0.15


class TransformersEngine:
    """A `GenerationEngine` over `AutoModelForCausalLM`.

    Args:
        model_dir: a Hugging Face model directory (safetensors, tokenizer with a chat template) or a hub name.
        device: a torch device, "cpu" or "cuda".
        dtype: "float32" or "bfloat16".
        share_prefix: False decodes with the model's own cache, as is done anyway for models that need it.

    Raises:
        ModelDirectoryError: see `llm_auction.generation.checkpoint`.
    """

    def __init__(
        self, model_dir: Path | str, device: str = "cpu", dtype: str = "float32", *, share_prefix: bool = True
    ) -> None:
        self.model = load_model(model_dir, dtype, device)
        self.tokenizer = load_tokenizer(model_dir)
        self._eos = torch.tensor(eos_token_ids(self.model, self.tokenizer), device=device)
        self._shared = share_prefix and supports_shared_prefix(self.model)
        if self._shared:
            use_shared_prefix(self.model)

    def encode(self, prompts: Sequence[Messages]) -> list[list[int]]:
        """Token ids of the chat prompts and what their answers begin with, ready for the answer's next token."""
        if not prompts:
            return []
        texts = []
        for messages in prompts:
            begun = messages[-1]["role"] == "assistant"
            asked = messages[:-1] if begun else messages
            prompt = self.tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
            texts.append(prompt + messages[-1]["content"] if begun else prompt)
        return self.tokenizer(texts, add_special_tokens=False)["input_ids"]

    def tokens_of(self, answer: str, *, finished: bool = True) -> list[int]:
        """The tokens of an answer's text as the tokenizer splits it, with the end of sequence unless it was cut."""
        end = int(self._eos[0]) if self.tokenizer.eos_token_id is None else self.tokenizer.eos_token_id
        return [*self.tokenizer(answer, add_special_tokens=False)["input_ids"], *([end] if finished else [])]

    @torch.inference_mode()
    def log_probabilities(
        self,
        prompts: Sequence[Messages],
        answers: Sequence[Sequence[Sequence[int]]],
        sampling: SamplingConfig | None = None,
    ) -> list[list[float]]:
        """log pi(answer | prompt) in nats of given answers (token ids, end included), each prompt read once.

        With `sampling`, of the distribution that these settings draw from (temperature, top-k, top-p): -inf for an
        answer that they never give. Without it, of the model itself, as `GeneratedAnswer.logprob` is.

        Raises:
            ValueError: the model's attention can't share prefixes, or an answer has no tokens.
        """
        if not self._shared:
            raise ValueError(
                f"{type(self.model).__name__} can't share prefixes: its log-probabilities need plain forwards"
            )
        if not all(tokens for group in answers for tokens in group):
            raise ValueError("an answer has no tokens: even an empty answer ends with an end-of-sequence token")
        values = []
        for prompt, group in zip(self.encode(prompts), answers, strict=True):
            batch = pack([(prompt, group)], self.model.device)
            if sampling is None:
                chosen = token_log_probabilities(self.model, batch)
            else:
                chosen = sampling_log_probabilities(answer_logits(self.model, batch), batch.target_token_N, sampling)
            values.append(sum_by_answer(batch, chosen).tolist())
        return values

    def sample(
        self,
        prompts: Sequence[Messages],
        answers_per_prompt: int,
        sampling: SamplingConfig,
        seed: int,
        on_progress: Progress | None = None,
    ) -> list[list[GeneratedAnswer]]:
        """See `GenerationEngine.sample`."""
        if answers_per_prompt < 1:
            raise ValueError(f"answers_per_prompt must be >= 1, got {answers_per_prompt}")
        encoded = self.encode(prompts)
        self._check_context(encoded, sampling.max_new_tokens)
        # Long prompts first: if memory is short it shows at once.
        order = sorted(range(len(encoded)), key=lambda index: -len(encoded[index]))
        prompts_per_batch = max(1, sampling.rows_per_batch // answers_per_prompt)
        answers: list[list[GeneratedAnswer]] = [[] for _ in encoded]
        for start in range(0, len(order), prompts_per_batch):
            batch = order[start : start + prompts_per_batch]
            rows = self._sample_batch([encoded[index] for index in batch], batch, answers_per_prompt, sampling, seed)
            for position, index in enumerate(batch):
                answers[index] = rows[position * answers_per_prompt : (position + 1) * answers_per_prompt]
            if on_progress:
                on_progress(
                    min(start + prompts_per_batch, len(order)) * answers_per_prompt, len(order) * answers_per_prompt
                )
        return answers

    @torch.inference_mode()
    def _sample_batch(
        self,
        prompts: Sequence[Sequence[int]],
        prompt_indices: Sequence[int],
        copies: int,
        sampling: SamplingConfig,
        seed: int,
    ) -> list[GeneratedAnswer]:
        device, steps = self.model.device, sampling.max_new_tokens
        names = [(prompt, answer) for prompt in prompt_indices for answer in range(copies)]
        uniforms_ST = torch.from_numpy(answer_uniforms(seed, names, steps)).T.contiguous().to(device)
        rows = torch.arange(len(names), device=device)  # the rows still in the batch
        alive = torch.ones(len(names), dtype=torch.bool, device=device)
        tokens_ST = torch.zeros((steps, len(names)), dtype=torch.long, device=device)
        logprobs = torch.zeros(len(names), dtype=torch.float64, device=device)
        lengths = torch.zeros(len(names), dtype=torch.long, device=device)
        finished = torch.zeros(len(names), dtype=torch.bool, device=device)

        decoder: Decoder = SharedPrefixDecoder(self.model) if self._shared else CacheDecoder(self.model)
        logits = decoder.start(prompts, copies, steps)
        for step in range(steps):
            tokens, token_logprobs = choose_tokens(logits.float(), uniforms_ST[step, rows], sampling)
            tokens_ST[step, rows] = tokens
            logprobs[rows] += token_logprobs.double() * alive
            lengths[rows] += alive
            ended = alive & torch.isin(tokens, self._eos)
            finished[rows] |= ended
            alive &= ~ended
            left = int(alive.sum())
            if left == 0 or step + 1 == steps:
                break
            if left <= (1 - COMPACT_SHARE) * len(rows):
                kept = alive.nonzero()[:, 0]
                decoder.keep(kept)
                rows, tokens, alive = rows[kept], tokens[kept], alive[kept]
            logits = decoder.step(tokens)
        return self._answers(tokens_ST.T.tolist(), lengths.tolist(), logprobs.tolist(), finished.tolist())

    def _answers(
        self, tokens: list[list[int]], lengths: list[int], logprobs: list[float], finished: list[bool]
    ) -> list[GeneratedAnswer]:
        completions = [row[:length] for row, length in zip(tokens, lengths, strict=True)]
        texts = self.tokenizer.batch_decode(completions, skip_special_tokens=True)
        return [
            GeneratedAnswer(text, tuple(completion), logprob, done)
            for text, completion, logprob, done in zip(texts, completions, logprobs, finished, strict=True)
        ]

    def _check_context(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> None:
        context: Any = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        longest = max(map(len, prompts), default=0)
        if context is not None and longest + new_tokens > context:
            raise ValueError(
                f"the model's context of {context} tokens is {longest + new_tokens - context} tokens too short: the "
                f"longest prompt has {longest} and max_new_tokens is {new_tokens}. Use fewer candidates "
                "(candidates.per_query), fewer new tokens (sampling.max_new_tokens) or a model with a longer context"
            )
