"""The journal of one sampling: finished answers, a line each, so that a killed sampling goes on where it stood.

A journal belongs to everything that shapes its answers: the checkpoint, the prompts, the sampling settings, the seed
and the engine. The same call finds it again; any other call has another file. A line carries a checksum of its own:
one that was cut, or damaged, or has the fields of another version of this code, is noticed and its answer drawn anew.
It also says how long its answer took after the one before, so that a sampling which was resumed is not taken for a
fast one.
"""

from __future__ import annotations

import hashlib
import json
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from llm_auction.generation.protocol import GeneratedAnswer, Messages
from llm_auction.profiles.schema import SamplingConfig

Key = tuple[int, int]  # (prompt, answer) in the order of the call
_FIELDS = 7  # of a line: prompt, answer, text, token ids, log-probability, finished, seconds


class Journal:
    """Answers by (prompt index, answer index), on disk as soon as they are added.

    Attributes:
        answers: what earlier attempts finished, and what was added since.
        damaged: lines that were cut, don't match their checksum or have other fields than ours; their answers are not
            in `answers`.
        seconds: wall time that earlier attempts took for what they finished.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[Key, GeneratedAnswer] = {}
        self.damaged, self.seconds = 0, 0.0
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._read()
        self._file = self.path.open("ab")
        if self.damaged:
            self._file.write(b"\n")  # a cut line must not swallow the next one
        self._written = time.perf_counter()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, prompt: int, answer: int, drawn: GeneratedAnswer) -> None:
        """Write one finished answer; it survives the death of this process from here on."""
        now = time.perf_counter()
        took, self._written = now - self._written, now
        fields = [prompt, answer, drawn.text, list(drawn.token_ids), drawn.logprob, drawn.finished, took]
        line = json.dumps(fields).encode("ascii")
        self._file.write(b"%08x %s\n" % (zlib.crc32(line), line))
        self._file.flush()
        self.answers[prompt, answer] = drawn

    def discard(self) -> None:
        """Remove the file: its answers are in safer hands."""
        self._file.close()
        self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        if not self.path.exists():
            return
        for line in self.path.read_bytes().split(b"\n"):
            if not line:
                continue
            checksum, _, content = line.partition(b" ")
            fields = json.loads(content) if checksum == b"%08x" % zlib.crc32(content) else None
            if not isinstance(fields, list) or len(fields) != _FIELDS:
                self.damaged += 1
                continue
            prompt, answer, text, token_ids, logprob, finished, took = fields
            self.seconds += took
            self.answers[prompt, answer] = GeneratedAnswer(text, tuple(token_ids), logprob, finished)


FinishedJournal = Callable[[Journal], None]


def journal_path(
    folder: Path, engine: str, checkpoint: Path, prompts: Sequence[Messages], sampling: SamplingConfig, seed: int
) -> Path:
    """The journal of one call of `GenerationEngine.sample`, named by all that shapes its answers."""
    # How many rows are decoded together, and how many answers are asked for, changes no answer.
    settings = sampling.model_dump(exclude={"rows_per_batch"})
    identity: Mapping[str, Any] = {
        "engine": engine,
        "weights": [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in _weights(checkpoint)],
        "prompts": prompts,
        "sampling": settings,
        "seed": seed,
    }
    return folder / f"{hashlib.blake2b(json.dumps(identity).encode(), digest_size=12).hexdigest()}.jsonl"


def _weights(checkpoint: Path) -> list[Path]:
    return sorted(checkpoint.resolve().glob("*.safetensors"))
