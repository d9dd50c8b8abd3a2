"""Many chat requests to one server: bounded concurrency, bounded retries with jitter, every reply checked.

A request is tried again when the server is busy (429), failing (5xx), silent (timeout), gone (connection errors) or
answers nonsense; after `attempts` tries the error says what was last seen. The same request is sent again, seed
included, so that a retry changes no result.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, get_args

import httpx2

from llm_auction.serving.dialects import ChatRequest, Dialect, request_body
from llm_auction.serving.replies import (
    MAX_REPLY_BYTES,
    BadReply,
    Completion,
    RequestRefused,
    ServerError,
    error_text,
    read_completion,
)

RETRIED_STATUSES = frozenset({408, 425, 429, *range(500, 600)})
# Of the configuration, not of one request: every other request would be answered alike.
FATAL_STATUSES = frozenset({401, 403, 404, 405, 407})
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds
LONGEST_ASKED = 600.0  # seconds that a server may ask us to wait

OnResult = Callable[[int, "Completion | Exception"], None]


@dataclass
class Usage:
    """What the requests so far took: replies read, tries that failed, and tokens by the server's own count."""

    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, other: Usage) -> None:
        """Count what another client took as well."""
        self.requests += other.requests
        self.retries += other.retries
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens

    def __str__(self) -> str:
        return (
            f"{self.requests} requests ({self.retries} retries), {self.prompt_tokens} prompt tokens, "
            f"{self.completion_tokens} completion tokens"
        )


class ChatClient:
    """Sends chat requests to `{url}/v1/chat/completions`.

    Args:
        url: the server's address, with or without its `/v1`.
        model: the name under which the server knows the model.
        dialect: see `llm_auction.serving.dialects`.
        concurrency: requests under way at a time.
        timeout: seconds that one request may take.
        attempts: tries of a request.
        api_key: sent as a bearer token.
        explain: adds to an error what became of the server, where we started it.
        pause: seconds before the second try; doubles with every further one, up to half a minute, with jitter. A server
            that asks for a pause (`Retry-After`) gets that one first.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        dialect: Dialect = "vllm",
        concurrency: int = 64,
        timeout: float = 600.0,
        attempts: int = 6,
        api_key: str | None = None,
        explain: Callable[[ServerError], ServerError] | None = None,
        pause: float = FIRST_PAUSE,
    ) -> None:
        self.url = url.rstrip("/").removesuffix("/v1")
        self.model = model
        self.dialect: Dialect = dialect
        self.usage = Usage()
        self._concurrency = concurrency
        self._timeout = timeout
        self._attempts = attempts
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._explain = explain
        self._pause = pause

    def complete_all(self, requests: Sequence[ChatRequest], on_result: OnResult) -> None:
        """Send every request; `on_result(index, completion)` is called as replies come, in whatever order.

        A request that the server refuses, or to which it keeps answering nonsense, gives its `RequestRefused` or
        `BadReply` in place of a completion. An exception that `on_result` raises ends everything at once.

        Raises:
            ServerError: the server is down, too busy, or denies access, or asks to come back in more than ten minutes.
        """
        if not requests:
            return
        try:
            asyncio.run(self._complete_all(requests, on_result))
        except ServerError as error:
            raise (self._explain(error) if self._explain else error) from None

    async def _complete_all(self, requests: Sequence[ChatRequest], on_result: OnResult) -> None:
        waiting = iter(enumerate(requests))
        limits = httpx2.Limits(max_connections=self._concurrency, max_keepalive_connections=self._concurrency)
        async with httpx2.AsyncClient(
            timeout=self._timeout, limits=limits, headers=self._headers, trust_env=not is_local(self.url)
        ) as http:

            async def work() -> None:
                for index, request in waiting:
                    try:
                        result: Completion | Exception = await self._complete(http, request)
                    except (RequestRefused, BadReply) as error:
                        result = error
                    on_result(index, result)

            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(self._concurrency, len(requests))):
                        group.create_task(work())
            except ExceptionGroup as failures:
                raise failures.exceptions[0] from None  # the first ended all others

    async def _complete(self, http: httpx2.AsyncClient, request: ChatRequest) -> Completion:
        body = request_body(request, self.model, self.dialect)
        for attempt in range(1, self._attempts + 1):
            try:
                completion = await self._once(http, body)
            except (_Busy, httpx2.RequestError, BadReply, TimeoutError) as error:
                self.usage.retries += 1
                if isinstance(error, _Busy) and error.retry_after > LONGEST_ASKED:
                    raise ServerError(
                        f"{self.url} asks to come back in {error.retry_after:.0f} s, longer than we wait "
                        f"({LONGEST_ASKED:.0f} s): {error}"
                    ) from None
                if attempt == self._attempts:
                    if isinstance(error, BadReply):
                        raise BadReply(f"{self.url}: {error} ({attempt} tries)") from None
                    raise ServerError(f"{self.url} gave no answer in {attempt} tries; last: {_said(error)}") from None
                await asyncio.sleep(self._wait(attempt, error))
            else:
                self.usage.requests += 1
                self.usage.prompt_tokens += completion.prompt_tokens
                self.usage.completion_tokens += completion.completion_tokens
                return completion
        raise AssertionError("attempts is at least 1")

    async def _once(self, http: httpx2.AsyncClient, body: dict[str, Any]) -> Completion:
        # The client's own timeout is between two pieces of a reply; a server that drips would never run into it.
        async with asyncio.timeout(self._timeout):
            async with http.stream("POST", f"{self.url}/v1/chat/completions", json=body) as response:
                content = await _read(response)
        if response.status_code == 200:
            return read_completion(content, response.headers.get("content-type", ""))
        said = f"status {response.status_code}: {error_text(content)}"
        if response.status_code in RETRIED_STATUSES:
            raise _Busy(said, response.headers.get("retry-after"))
        if response.status_code in FATAL_STATUSES:
            raise ServerError(f"{self.url}, model {self.model}: {said}")
        others = " or ".join(name for name in get_args(Dialect) if name != self.dialect)
        raise RequestRefused(f"{self.url}: {said} (asked in the dialect {self.dialect}; there are {others} too)")

    def _wait(self, attempt: int, error: Exception) -> float:
        pause = min(self._pause * 2 ** (attempt - 1), LONGEST_PAUSE)
        asked = error.retry_after if isinstance(error, _Busy) else 0.0
        return asked + pause * random.uniform(0.5, 1.5)


def is_local(url: str) -> bool:
    """Whether the server is on this machine, where no proxy of the environment stands in between."""
    return httpx2.URL(url).host in ("127.0.0.1", "localhost", "::1")


class _Busy(Exception):
    """A status that may be another one next time; `retry_after` in seconds is what the server asks for."""

    def __init__(self, said: str, retry_after: str | None) -> None:
        super().__init__(said)
        self.retry_after = _seconds_of((retry_after or "").strip())


def _seconds_of(retry_after: str) -> float:
    """From now, of a header `Retry-After`: seconds or an HTTP date (RFC 9110); 0 where it is neither."""
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        date = parsedate_to_datetime(retry_after)
        return max(0.0, (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):  # no date, or one of a year that none can have
        return 0.0


async def _read(response: httpx2.Response) -> bytes:
    content = bytearray()
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > MAX_REPLY_BYTES:
            raise BadReply(f"the reply is longer than {MAX_REPLY_BYTES} bytes")
    return bytes(content)


def _said(error: Exception) -> str:
    name = "timeout" if isinstance(error, (TimeoutError, httpx2.TimeoutException)) else type(error).__name__
    return str(error) if isinstance(error, _Busy) else f"{name} {error}".strip()
