"""Turning a column's raw value into clean text or a number."""

from __future__ import annotations

import math
import re
import unicodedata
from decimal import Decimal

from llm_auction.catalog.rows import InvalidField

_IDENTIFIER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_INVISIBLE = frozenset({"Cc", "Cf"})  # control and format characters: zero-width spaces, soft hyphens, byte-order marks
LARGEST_INTEGER = 1_000_000_000


def clean_text(value: object, field: str) -> str:
    """A value as one line of text: NFC, invisible characters dropped, white space collapsed; "" when absent.

    Raises:
        InvalidField: a list, an object, or text with a lone surrogate (which can't be stored as UTF-8).
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        value = int(value)  # as a warehouse exports ids and bids: 104.0, or a decimal 5.00
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise InvalidField(field, f"must be text, got {type(value).__name__}")
    # White space first: line breaks and tabs are control characters too, but they part words.
    text = unicodedata.normalize("NFC", " ".join(str(value).split()))
    if text.isprintable():
        return text
    text = "".join(letter for letter in text if unicodedata.category(letter) not in _INVISIBLE)
    if any(unicodedata.category(letter) == "Cs" for letter in text):
        raise InvalidField(field, "holds half a character (a lone surrogate)")
    return " ".join(text.split())


def clean_identifier(value: object, field: str, prefix: str = "") -> str:
    """An id of at most 64 letters, digits, dots, dashes or underscores; a leading `prefix` is not part of it.

    Raises:
        InvalidField: missing, or other characters.
    """
    text = clean_text(value, field).removeprefix(prefix)
    if not text:
        raise InvalidField(field, "is missing")
    if not _IDENTIFIER.fullmatch(text):
        raise InvalidField(field, f"must be 1 to 64 of A-Z a-z 0-9 . _ -, got {text[:80]!r}")
    return text


def clean_integer(value: object, field: str) -> int | None:
    """A whole number >= 0; None when absent.

    Raises:
        InvalidField: anything else.
    """
    text = clean_text(value, field)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        raise InvalidField(field, f"must be a whole number, got {text[:80]!r}") from None
    if not number.is_integer() or not 0 <= number <= LARGEST_INTEGER:
        raise InvalidField(field, f"must be a whole number from 0 to {LARGEST_INTEGER}, got {text[:80]!r}")
    return int(number)
