"""Asking a model for JSON of a given shape: validated always, asked again a bounded number of times, never invented.

The schema goes along as `response_format` where the server's dialect has it; every reply is validated here all the
same. A reply that does not fit is shown to the model together with what is wrong. When the last try does not fit
either, or the server refuses the request, the answer is `Missing` with the reason. A server that refuses whatever it is
asked, as one of another dialect does, is an error soon.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from llm_auction.chat_markers import without_markers
from llm_auction.prompts import Messages
from llm_auction.prompts.templates import one_line
from llm_auction.seeds import derive_seed
from llm_auction.serving.client import ChatClient, Usage
from llm_auction.serving.dialects import ChatRequest, Decoding, Dialect, request_body
from llm_auction.serving.replies import Completion, RequestRefused, ServerError
from llm_auction.serving.reply_cache import ReplyCache

_THOUGHT = re.compile(r"\s*<think>.*?</think>", re.DOTALL)  # of a model that thinks whatever it is asked
_FENCE = "```"
_SHOWN_BACK = 2000  # characters of a wrong reply that the model sees again
LONGEST_FAULT = 300  # characters of what is wrong with one: it may hold the reply's own keys
# Refusals without anything else that are no accident: a single one may be of a request beyond the context length.
REFUSED_AT_FIRST = 20

Form = TypeVar("Form", bound=BaseModel)
Read = TypeVar("Read")
Connect = Callable[[], ChatClient]


class Reply(BaseModel):
    """Base of the shapes that we ask for: exactly these fields, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


@dataclass(frozen=True, slots=True)
class Question(Generic[Form, Read]):
    """What is asked, the shape of the reply, and how it is read; `read` raises ValueError where it does not fit."""

    messages: Messages
    form: type[Form]
    read: Callable[[Form], Read]
    seed: int


@dataclass(frozen=True, slots=True)
class Missing:
    """No usable reply, and why: one line without chat markers, cut to `LONGEST_FAULT` characters."""

    reason: str

    @classmethod
    def because(cls, fault: object) -> Missing:
        """Of a fault that may hold text of the model or its server."""
        return cls(one_line(str(fault))[:LONGEST_FAULT])


@dataclass
class Tally:
    """What a number of questions took: replies from the cache, from the server, of a wrong shape, and lost ones."""

    cached: int = 0
    asked: int = 0
    invalid: int = 0
    missing: int = 0


class StructuredModel:
    """A model behind a server that answers in JSON.

    Args:
        connect: gives the client; called at the first request that the cache can't answer.
        model: the name under which the server knows the model; part of the cache's key.
        dialect: of the server.
        decoding: temperature, truncation, length.
        cache_path: file of the cache.
        reasks: how often a reply of the wrong shape is asked for again.
        on_progress: told (answered, asked in all), cached replies included.

    `tally` and `usage` count what all questions so far took.
    """

    def __init__(
        self,
        connect: Connect,
        model: str,
        dialect: Dialect,
        decoding: Decoding,
        cache_path: Path,
        reasks: int,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._connect = connect
        self._model = model
        self._dialect: Dialect = dialect
        self._decoding = decoding
        self._cache_path = cache_path
        self._reasks = reasks
        self._on_progress = on_progress
        self._refused_at_first: int | None = 0  # None: some request was taken
        self.tally = Tally()
        self.usage = Usage()

    def ask_all(self, questions: Sequence[Question[Form, Read]]) -> list[Read | Missing]:
        """The answer to every question, in their order.

        Raises:
            ServerError: the server can't be used, or took none of its first requests; what was answered stays in the
                cache.
        """
        answers: dict[int, Read | Missing] = {}
        talks = {index: list(question.messages) for index, question in enumerate(questions)}
        with ReplyCache(self._cache_path) as cache:
            for round_ in range(self._reasks + 1):
                last = round_ == self._reasks
                replies = self._round(questions, talks, round_, cache, len(answers))
                talks = {}
                for index, reply in replies.items():
                    answer = _read(questions[index], reply)
                    wrong = isinstance(answer, Missing) and isinstance(reply, tuple)
                    self.tally.invalid += wrong
                    if isinstance(answer, Missing) and isinstance(reply, tuple) and not last:
                        talks[index] = _asked_again(questions[index].messages, reply[0], answer.reason)
                    else:
                        answers[index] = answer
                if not talks:
                    break
        self.tally.missing += sum(isinstance(answer, Missing) for answer in answers.values())
        return [answers[index] for index in range(len(questions))]

    def _round(
        self,
        questions: Sequence[Question[Form, Read]],
        talks: dict[int, Messages],
        round_: int,
        cache: ReplyCache,
        done: int,
    ) -> dict[int, tuple[str, bool] | Exception]:
        """One reply to every talk: its text and whether it was finished, or why there is none."""
        requests = {
            index: ChatRequest(
                talk,
                self._decoding,
                derive_seed(questions[index].seed, "ask", round_),
                questions[index].form.model_json_schema(),
            )
            for index, talk in talks.items()
        }
        bodies = {index: request_body(request, self._model, self._dialect) for index, request in requests.items()}
        replies: dict[int, tuple[str, bool] | Exception] = {}
        for index, body in bodies.items():
            known = cache.get(body)
            if known is not None:
                replies[index] = known
        if replies:
            self._refused_at_first = None  # asked once more, only what was refused then is asked
        self.tally.cached += len(replies)
        unknown = [index for index in requests if index not in replies]

        def receive(position: int, result: Completion | Exception) -> None:
            index = unknown[position]
            self._count_refused(result)
            if isinstance(result, Exception):
                replies[index] = result
            else:
                cache.put(bodies[index], result.text, result.finished)
                replies[index] = (result.text, result.finished)
            if self._on_progress:
                self._on_progress(done + len(replies), len(questions))

        if unknown:
            client = self._connect()
            try:
                client.complete_all([requests[index] for index in unknown], receive)
            finally:
                self.usage.add(client.usage)
            self.tally.asked += len(unknown)
        return replies

    def _count_refused(self, result: Completion | Exception) -> None:
        if self._refused_at_first is None:
            return
        if not isinstance(result, RequestRefused):
            self._refused_at_first = None
            return
        self._refused_at_first += 1
        if self._refused_at_first >= REFUSED_AT_FIRST:
            raise ServerError(f"none of its first {self._refused_at_first} requests was taken; last: {result}")


def _read(question: Question[Form, Read], reply: tuple[str, bool] | Exception) -> Read | Missing:
    if isinstance(reply, Exception):
        return Missing.because(reply)
    text, finished = reply
    if not finished:
        return Missing("the reply was cut by the token limit")
    text = _THOUGHT.sub("", text, count=1) if _THOUGHT.match(text) else text
    try:
        return question.read(question.form.model_validate_json(_unfenced(text)))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        return Missing.because(f"{place}: {first['msg']}" if place else first["msg"])
    except ValueError as error:
        return Missing.because(error)


def _unfenced(text: str) -> str:
    """A reply without the code fence around it; not by a pattern, which a long reply could keep busy for hours."""
    bare = text.strip()
    if len(bare) < 2 * len(_FENCE) or not (bare.startswith(_FENCE) and bare.endswith(_FENCE)):
        return text
    language, _, body = bare[len(_FENCE) : -len(_FENCE)].partition("\n")
    return body if language.strip() in ("", "json") else text


def _asked_again(messages: Messages, reply: str, reason: str) -> Messages:
    wrong = without_markers(reply[:_SHOWN_BACK])
    return [
        *messages,
        {"role": "assistant", "content": wrong or "(nothing)"},
        {"role": "user", "content": f"That reply can't be used: {reason}. Reply again with the JSON object alone."},
    ]
