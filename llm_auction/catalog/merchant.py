"""Google Merchant product feeds: RSS 2.0 or Atom with the `g:` namespace, and the field names of their TSV form.

Field names: support.google.com/merchants/answer/7052112. The XML is parsed as a stream; a feed with a document type
is refused, so no entity is ever expanded and nothing outside the file is ever read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from llm_auction.catalog.rows import SourceError, SourceRow

# Our field -> the feed's fields, the first that is filled counts.
MERCHANT_COLUMNS = {
    "ad_id": ("id",),
    "title": ("title",),
    "category": ("product_type", "google_product_category"),
    "description": ("description", "summary", "content"),
    "advertiser": ("brand",),
    "bid_low": ("bid_low",),
    "bid_high": ("bid_high",),
}
# Fields that tell a Merchant TSV from a TSV of one's own.
MERCHANT_MARKS = frozenset(
    {"product_type", "google_product_category", "image_link", "availability", "gtin", "mpn", "condition"}
)

_GOOGLE = "http://base.google.com/ns/1.0"
_ITEMS = frozenset({"item", "entry"})
_CHUNK = 1 << 16  # bytes read at a time


def merchant_name(column: str) -> str:
    """A column as the feed specification spells it: `g:Google product category` -> `google_product_category`."""
    return column.strip().lower().removeprefix("g:").replace(" ", "_")


def category_leaf(path: str) -> str:
    """The last step of a category path: `Home & Garden > Kitchen > Knives` -> `Knives`."""
    return path.rsplit(">", 1)[-1].strip()


def read_merchant_xml(path: Path) -> Iterator[SourceRow]:
    """The items (RSS) or entries (Atom) of a product feed.

    Raises:
        SourceError: not well-formed XML, a document type declaration, or an encoding that expat can't read.
    """
    items: list[dict[str, str]] = []
    parser = _item_parser(items)
    number = 0
    with path.open("rb") as handle:
        final = False
        while not final:
            chunk = handle.read(_CHUNK)
            final = not chunk
            try:
                parser.Parse(chunk, final)
            except (expat.ExpatError, LookupError, ValueError) as error:
                raise SourceError(f"{path} is not a readable XML product feed: {error}") from error
            for item in items:
                number += 1
                yield SourceRow(str(path), number, item, json.dumps(item, ensure_ascii=False))
            items.clear()


def _item_parser(items: list[dict[str, str]]) -> expat.XMLParserType:
    """A parser that appends every finished item to `items`: direct children only, the first of a name counts."""
    depth = 0
    item_depth: int | None = None
    google: dict[str, str] = {}
    plain: dict[str, str] = {}
    text: list[str] = []

    def start(name: str, _attributes: dict[str, str]) -> None:
        nonlocal depth, item_depth
        depth += 1
        if item_depth is None and name.rsplit(" ", 1)[-1] in _ITEMS:
            item_depth = depth
            google.clear()
            plain.clear()
        elif item_depth is not None and depth == item_depth + 1:
            text.clear()

    def characters(data: str) -> None:
        if item_depth is not None and depth > item_depth:
            text.append(data)

    def end(name: str) -> None:
        nonlocal depth, item_depth
        namespace, _, local = name.rpartition(" ")
        if item_depth is not None and depth == item_depth + 1:
            (google if namespace == _GOOGLE else plain).setdefault(local, "".join(text))
        elif depth == item_depth:
            items.append({**plain, **google})  # g:id wins over Atom's own id
            item_depth = None
        depth -= 1

    def doctype(*_: object) -> None:
        raise ValueError("it declares a document type (<!DOCTYPE ...>), which product feeds must not; remove it")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.CharacterDataHandler = characters
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = doctype
    return parser
