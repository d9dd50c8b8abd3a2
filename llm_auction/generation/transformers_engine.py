"""Answers from a Hugging Face causal model in this process: every prompt read once, finished answers dropped.

Prompts are sorted by length, each batch is prefilled once and its keys and values serve all M answers; rows that have
ended leave the batch. Noise belongs to the answer (`noise`), so results don't depend on batching, up to the float
noise of the logits. With a journal a killed sampling goes on with the prompts that it had not finished.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from llm_auction.generation.answer_scores import output_layer
from llm_auction.generation.checkpoint import eos_token_ids, load_model, load_tokenizer
from llm_auction.generation.choice import choose_tokens
from llm_auction.generation.decoders import CacheDecoder, Decoder, SharedPrefixDecoder
from llm_auction.generation.journal import FinishedJournal, Journal, journal_path
from llm_auction.generation.memory import out_of_memory_says
from llm_auction.generation.noise import answer_uniforms
from llm_auction.generation.prompting import check_context, encode_prompts
from llm_auction.generation.protocol import GeneratedAnswer, Messages, Progress
from llm_auction.generation.scoring import score_apart, score_packed
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
        journals: folder for the journals of unfinished samplings; None keeps none.
        on_finished: given the journal of a sampling that is complete.

    Raises:
        ModelDirectoryError: see `llm_auction.generation.checkpoint`.
    """

    def __init__(
        self,
        model_dir: Path | str,
        device: str = "cpu",
        dtype: str = "float32",
        *,
        share_prefix: bool = True,
        journals: Path | None = None,
        on_finished: FinishedJournal = Journal.discard,
    ) -> None:
        self.model = load_model(model_dir, dtype, device)
        self.tokenizer = load_tokenizer(model_dir)
        self._eos = torch.tensor(eos_token_ids(self.model, self.tokenizer), device=device)
        self._shared = share_prefix and supports_shared_prefix(self.model)
        if self._shared:
            use_shared_prefix(self.model)
            self._head = output_layer(self.model)
        self._model_dir = Path(model_dir)
        self._journals = journals
        self._finished = on_finished
        self.seconds_saved = 0.0

    def encode(self, prompts: Sequence[Messages]) -> list[list[int]]:
        """Token ids of the chat prompts and what their answers begin with, ready for the answer's next token."""
        return encode_prompts(self.tokenizer, prompts)

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
        """log pi(answer | prompt) in nats of given answers (token ids, end included); every prompt is read once.

        With `sampling`, of the distribution that these settings draw from (temperature, top-k, top-p): -inf for an
        answer that they never give. Without it, of the model itself, as `GeneratedAnswer.logprob` is.

        Raises:
            ValueError: an answer has no tokens.
            MemoryError: the device ran out of memory.
        """
        if not all(tokens for group in answers for tokens in group):
            raise ValueError("an answer has no tokens: even an empty answer ends with an end-of-sequence token")
        encoded = self.encode(prompts)
        with out_of_memory_says("scoring answers; leave more room beside a server, or take a GPU that has more"):
            if self._shared:
                return score_packed(self.model, encoded, answers, sampling, self._head)
            return score_apart(self.model, encoded, answers, sampling)

    def sample(
        self,
        prompts: Sequence[Messages],
        answers_per_prompt: int,
        sampling: SamplingConfig,
        seed: int,
        on_progress: Progress | None = None,
    ) -> list[list[GeneratedAnswer]]:
        """See `GenerationEngine.sample`.

        Raises:
            ValueError: less than one answer a prompt, or an answer would not fit the context.
        """
        if answers_per_prompt < 1:
            raise ValueError(f"answers_per_prompt must be >= 1, got {answers_per_prompt}")
        encoded = self.encode(prompts)
        check_context(self.model.config, encoded, sampling.max_new_tokens)
        if self._journals is None or not prompts:
            return self._sample(encoded, answers_per_prompt, sampling, seed, {}, None, on_progress)
        path = journal_path(self._journals, "transformers", self._model_dir, prompts, sampling, seed)
        with Journal(path) as journal:
            self.seconds_saved += journal.seconds
            known = dict(journal.answers)
            answers = self._sample(encoded, answers_per_prompt, sampling, seed, known, journal, on_progress)
            self._finished(journal)
        return answers

    def _sample(
        self,
        encoded: Sequence[Sequence[int]],
        copies: int,
        sampling: SamplingConfig,
        seed: int,
        known: Mapping[tuple[int, int], GeneratedAnswer],
        journal: Journal | None,
        on_progress: Progress | None,
    ) -> list[list[GeneratedAnswer]]:
        """Answers to every prompt: those of a prompt whose answers are all `known`, else drawn."""
        answers = [[known.get((index, copy)) for copy in range(copies)] for index in range(len(encoded))]
        missing = [index for index, group in enumerate(answers) if None in group]
        done = len(encoded) - len(missing)
        # Long prompts first: if memory is short it shows at once.
        order = sorted(missing, key=lambda index: -len(encoded[index]))
        prompts_per_batch = max(1, sampling.rows_per_batch // copies)
        for start in range(0, len(order), prompts_per_batch):
            batch = order[start : start + prompts_per_batch]
            with out_of_memory_says(
                f"decoding {len(batch) * copies} answers together; lower sampling.rows_per_batch (it is "
                f"{sampling.rows_per_batch})"
            ):
                drawn = iter(self._sample_batch([encoded[index] for index in batch], batch, copies, sampling, seed))
            for index in batch:
                for copy in range(copies):
                    answers[index][copy] = answer = next(drawn)
                    if journal is not None:
                        journal.add(index, copy, answer)
            done += len(batch)
            if on_progress:
                on_progress(done * copies, len(encoded) * copies)
        return [[answer for answer in group if answer is not None] for group in answers]

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
