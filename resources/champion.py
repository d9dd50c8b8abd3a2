"""The promoted version of a kind of model: the pointer `champion`, moved on purpose only, with its whole history.

Pointer and history are one file, replaced in one step: a reader sees the old champion or the new one, and whoever was
killed in between has changed nothing. The history is a stack that is only ever appended to: a promotion puts a version
on top, a rollback takes the top one off again, and what was taken off counts as withdrawn until a promotion by hand.
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Literal

from resources.model_store import CHAMPION, ModelStore, ModelStoreError, ModelVersion
from resources.storage import one_at_a_time, storage_errors, write_json_atomically


class ChampionChanged(ModelStoreError):
    """Another run has moved the pointer since this one looked: what it judged against is no longer the champion."""


@dataclass(frozen=True, slots=True)
class Move:
    """One entry of the history: the version that became champion, when (ISO 8601, UTC), how and why."""

    version: str
    at: str
    action: Literal["promoted", "rolled back"]
    reason: str


def may_have_learnt_from(model: ModelVersion, day: date) -> bool:
    """Whether an iteration's model may have been fitted on a day of real logs, or on a later one.

    Its `day` is the last that it learnt from. Without one it learnt from simulated users; but for the arm `production`,
    whose models did not always tell. The `day` of a nightly refit is another: the one that it is judged on.
    """
    if "arm" not in model.metadata:
        return False
    last = model.metadata.get("day")
    return bool(model.metadata["arm"] == "production" if last is None else last >= str(day))


class Champion:
    """The champion of one kind of model in a store."""

    def __init__(self, store: ModelStore, kind: str) -> None:
        self._store = store
        self._kind = kind

    def current(self) -> ModelVersion | None:
        """The champion, checked against its manifest; None before the first promotion.

        Raises:
            ModelStoreError: the pointer or the model is damaged.
        """
        return self._store.resolve(self._kind, CHAMPION) if self._store.exists(self._kind, CHAMPION) else None

    def history(self) -> list[Move]:
        """All moves, oldest first; ModelStoreError when the pointer's file is damaged."""
        path = self._store.pointer_path(self._kind, CHAMPION)
        if not path.exists():
            return []
        try:
            return [Move(**move) for move in json.loads(path.read_text(encoding="utf-8"))["history"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelStoreError(f"pointer {path} is damaged ({error}): put it back from a copy") from error

    def standing(self) -> list[str]:
        """The versions that were promoted and not rolled back, oldest first: the champion is the last."""
        stack: list[str] = []
        for move in self.history():
            if move.action == "promoted":
                stack.append(move.version)
            else:
                stack.pop()
        return stack

    def before(self, day: date) -> ModelVersion | None:
        """The champion as it stood before a day of real logs: the last that stands, is of an earlier one, and is known
        not to have learnt from the day.

        Raises:
            ModelStoreError: the pointer or the model is damaged.
        """
        for version in reversed(self.standing()):
            found = self._store.version(self._kind, version)
            if str(found.metadata.get("day", "")) < str(day) and not may_have_learnt_from(found, day):
                return found
        return None

    def withdrawn(self) -> set[str]:
        """The versions that a rollback took off and that nobody promoted since."""
        taken: set[str] = set()
        stack: list[str] = []
        for move in self.history():
            if move.action == "promoted":
                stack.append(move.version)
                taken.discard(move.version)
            else:
                taken.add(stack.pop())
        return taken

    def promote(self, version: ModelVersion, reason: str, *, instead_of: str | None) -> None:
        """Make a stored version the champion.

        Args:
            instead_of: the version that it replaces, as the caller saw it; None for the first champion.

        Raises:
            ChampionChanged: the champion is another one by now.
            StorageError: the data directory can't be written; the champion stays.
        """
        with self._locked():
            found = self._version_now()
            if found != instead_of:
                raise ChampionChanged(
                    f"the {self._kind} champion is {found or 'not set'}, not {instead_of or 'unset'} as when this was "
                    "judged: another run has moved it. Run it again"
                )
            self._move(version, "promoted", reason)

    def rollback(self, reason: str) -> ModelVersion:
        """Take the champion off and put the one before it back.

        Raises:
            ModelStoreError: there is none before it, or it is damaged.
        """
        with self._locked():
            standing = self.standing()
            if len(standing) < 2:
                raise ModelStoreError(
                    f"the {self._kind} champion has no predecessor to roll back to: promote another version by name"
                )
            earlier = self._store.version(self._kind, standing[-2])
            self._move(earlier, "rolled back", reason)
        return earlier

    def _locked(self) -> AbstractContextManager[None]:
        return one_at_a_time(self._store.root / f".{self._kind}-{CHAMPION}.lock")

    def _version_now(self) -> str | None:
        history = self.history()
        return history[-1].version if history else None

    def _move(self, version: ModelVersion, action: Literal["promoted", "rolled back"], reason: str) -> None:
        move = Move(version.version, datetime.now(UTC).isoformat(timespec="seconds"), action, reason)
        content = {
            "version": version.version,
            "metadata": version.metadata,
            "history": [asdict(one) for one in (*self.history(), move)],
        }
        path = self._store.pointer_path(self._kind, CHAMPION)
        with storage_errors(path):
            write_json_atomically(path, content, self._store.root)
