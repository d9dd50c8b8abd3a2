"""Replies by the content of their requests, in one SQLite file: asking the same again costs nothing.

The key is a hash of the whole request body: model, messages, decoding and seed. A reply is stored as soon as it has
come, so that a killed run keeps what it paid for.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

_WAIT_SECONDS = 60.0


class ReplyCache:
    """Texts of completions, and whether they were finished, by request. Several processes may share the file.

    Raises:
        ValueError: the file is there and no database.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
        try:
            # A log that is written ahead survives the death of this process, and readers don't wait for writers.
            self._connection.execute("pragma journal_mode = wal")
            self._connection.execute("pragma synchronous = normal")
            self._connection.execute(
                "create table if not exists replies (key text primary key, model text not null, "
                "text text not null, finished integer not null) without rowid"
            )
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise ValueError(f"the cache of replies {path} can't be used ({error}): remove it") from None

    def __enter__(self) -> ReplyCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, body: Mapping[str, Any]) -> tuple[str, bool] | None:
        """The text that answered this very request, and whether it was finished."""
        row = self._connection.execute("select text, finished from replies where key = ?", [_key(body)]).fetchone()
        return None if row is None else (str(row[0]), bool(row[1]))

    def put(self, body: Mapping[str, Any], text: str, finished: bool) -> None:
        """Keep the reply to a request."""
        row = (_key(body), str(body["model"]), text, int(finished))
        self._connection.execute("insert or replace into replies values (?, ?, ?, ?)", row)


def _key(body: Mapping[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=16).hexdigest()
