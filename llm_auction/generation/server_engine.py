"""Answers from an OpenAI-compatible server that has the checkpoint: one request an answer, each with its own seed.

Servers share the work on equal prompts by themselves (vLLM's and SGLang's prefix caches), so that M requests for one
prompt read it once; in return every finished answer is kept at once, and a killed sampling goes on where it stood.

A server's answer is text. Its token ids are the server's own where it tells them (vLLM), else the text's under the
checkpoint's tokenizer, which may split it otherwise than it was drawn. Its log-probability is not the server's
business: it is computed here, in the same way for every engine (`Scorer`), or left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from llm_auction.generation.checkpoint import checkpoint_eos, load_config, load_tokenizer
from llm_auction.generation.journal import FinishedJournal, Journal, Key, journal_path
from llm_auction.generation.prompting import check_context, encode_prompts, without_special_tokens
from llm_auction.generation.protocol import GeneratedAnswer, Messages, Progress
from llm_auction.profiles.schema import SamplingConfig
from llm_auction.seeds import derive_seed
from llm_auction.serving import ChatClient, Completion
from llm_auction.serving.client import Usage
from llm_auction.serving.dialects import ChatRequest, Decoding

# log pi(answer | prompt) of the answers (token ids) to every prompt, as `TransformersEngine.log_probabilities`.
Scorer = Callable[[Sequence[Messages], Sequence[Sequence[Sequence[int]]]], list[list[float]]]

PROGRESS_STEPS = 100  # a report at every hundredth of the answers


class ServerEngine:
    """A `GenerationEngine` over a server.

    Args:
        connect: gives a client of a server that has the checkpoint; called once there is something to draw.
        model_dir: the checkpoint's own directory: tokenizer, end-of-sequence tokens, context length.
        score: computes log-probabilities after the last answer; None leaves them out.
        journals: folder for the journals of unfinished samplings; None keeps none.
        on_finished: given the journal of a sampling that is complete.
        on_note: told what a run's log should say: what was resumed, what the tokens came to.

    `usage` counts what all answers so far took.

    Raises:
        ModelDirectoryError: the directory has no usable tokenizer, or needs code of its own.
    """

    def __init__(
        self,
        connect: Callable[[], ChatClient],
        model_dir: Path,
        *,
        score: Scorer | None = None,
        journals: Path | None = None,
        on_finished: FinishedJournal = Journal.discard,
        on_note: Callable[[str], None] = lambda note: None,
    ) -> None:
        self.tokenizer = load_tokenizer(model_dir)
        self._config = load_config(model_dir)
        self._eos = checkpoint_eos(model_dir, self.tokenizer)
        self._end = self._eos[0] if self.tokenizer.eos_token_id is None else self.tokenizer.eos_token_id
        self._connect = connect
        self._model_dir = model_dir
        self._score = score
        self._journals = journals
        self._finished = on_finished
        self.seconds_saved = 0.0
        self._note = on_note
        self.usage = Usage()

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
            ServerError: the server can't be used.
            RequestRefused, BadReply: it refuses an answer, or keeps sending nonsense. What was finished is kept.
        """
        if answers_per_prompt < 1:
            raise ValueError(f"answers_per_prompt must be >= 1, got {answers_per_prompt}")
        prompts = without_special_tokens(self.tokenizer, prompts)  # the server's template reads them as ours would
        check_context(self._config, encode_prompts(self.tokenizer, prompts), sampling.max_new_tokens)
        keys = [(prompt, answer) for prompt in range(len(prompts)) for answer in range(answers_per_prompt)]
        if self._journals is None or not keys:
            drawn: dict[Key, GeneratedAnswer] = {}
            self._draw(prompts, keys, sampling, seed, drawn, drawn.__setitem__, on_progress)
            return self._scored(prompts, answers_per_prompt, drawn)
        path = journal_path(self._journals, "server", self._model_dir, prompts, sampling, seed)
        with Journal(path) as journal:
            self.seconds_saved += journal.seconds
            if journal.answers or journal.damaged:
                self._note(
                    f"{len(journal.answers)} of {len(keys)} answers were finished by an earlier attempt"
                    + (f"; {journal.damaged} damaged lines are drawn anew" if journal.damaged else "")
                )
            self._draw(prompts, keys, sampling, seed, journal.answers, lambda k, a: journal.add(*k, a), on_progress)
            answers = self._scored(prompts, answers_per_prompt, journal.answers)
            self._finished(journal)
        return answers

    def _draw(
        self,
        prompts: Sequence[Messages],
        keys: Sequence[Key],
        sampling: SamplingConfig,
        seed: int,
        known: dict[Key, GeneratedAnswer],
        keep: Callable[[Key, GeneratedAnswer], None],
        on_progress: Progress | None,
    ) -> None:
        """Draw what is not `known` yet, and `keep` it as it comes."""
        missing = [key for key in keys if key not in known]
        if not missing:
            return
        decoding = Decoding(sampling.temperature, sampling.top_p, sampling.top_k, sampling.max_new_tokens, self._eos)
        requests = [
            ChatRequest(prompts[prompt], decoding, derive_seed(seed, "answer", prompt, answer))
            for prompt, answer in missing
        ]
        done, total = len(keys) - len(missing), len(keys)

        def receive(index: int, result: Completion | Exception) -> None:
            nonlocal done
            if isinstance(result, Exception):
                raise result
            keep(missing[index], self._answer(result))
            done += 1
            if on_progress and (done == total or done * PROGRESS_STEPS // total > (done - 1) * PROGRESS_STEPS // total):
                on_progress(done, total)

        client = self._connect()
        client.complete_all(requests, receive)
        self.usage.add(client.usage)
        self._note(f"{client.url}: {client.usage}")

    def _answer(self, completion: Completion) -> GeneratedAnswer:
        told = completion.token_ids
        if told is not None and max(told) < len(self.tokenizer):
            tokens = told
        else:
            end = [self._end] if completion.finished else []
            tokens = (*self.tokenizer(completion.text, add_special_tokens=False)["input_ids"], *end)
        return GeneratedAnswer(completion.text, tokens, None, completion.finished)

    def _scored(
        self, prompts: Sequence[Messages], copies: int, drawn: dict[Key, GeneratedAnswer]
    ) -> list[list[GeneratedAnswer]]:
        answers = [[drawn[prompt, copy] for copy in range(copies)] for prompt in range(len(prompts))]
        if self._score is None or not answers:
            return answers
        scores = self._score(prompts, [[answer.token_ids for answer in group] for group in answers])
        return [
            [replace(answer, logprob=score) for answer, score in zip(group, values, strict=True)]
            for group, values in zip(answers, scores, strict=True)
        ]
