"""One line of the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["holds", "open", "fails"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim, whether the intervals support it, and the figures behind that."""

    claim: str
    status: Status
    evidence: str
