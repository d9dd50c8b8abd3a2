"""The documentation names only what there is, and every setting that there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from llm_auction.profiles.arms import ABLATIONS, SWEEPS
from llm_auction.profiles.builtin import BUILTIN
from llm_auction.profiles.schema import Profile
from workflows.cli.profiles import fields_of

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def field_paths(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from field_paths(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_every_field_of_a_profile_is_documented_and_no_other() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([a-z_.]+)` \|", page, flags=re.MULTILINE)
    assert sorted(documented) == sorted(field_paths(Profile))


@pytest.mark.parametrize("number, name", list(enumerate(("smoke", "laptop", "paper"))))
def test_the_documented_values_are_those_of_the_profiles(number: int, name: str) -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    values = {path: value for path, (value, _) in fields_of(BUILTIN[name]())}
    rows = re.findall(r"^\| `([a-z_.]+)` \|([^|]*)\|([^|]*)\|([^|]*)\|", page, flags=re.MULTILINE)
    documented = {path: columns[number].strip() for path, *columns in rows}
    assert {path: text for path, text in documented.items() if not is_written(values[path], text)} == {}


def is_written(value: object, text: str) -> bool:
    """Whether a cell says what the field holds; `all` stands for all ablations."""
    if text == "all":
        return value == (*ABLATIONS, *SWEEPS)
    if value == ():
        return text == "[]"
    if isinstance(value, tuple):
        parts = text.split(", ")
        return len(parts) == len(value) and all(map(is_written, value, parts))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(text) == value
    return text.strip("`").lower() == str(value).lower()


@pytest.mark.parametrize(
    "value, text, written",
    [
        ((0.5, 1.0), "0.5, 1", True),
        ((0.5, 1.0), "0.5, 2", False),
        ((0.5, 1.0), "0.5", False),
        (("no_iteration",), "all", False),
        ((), "[]", True),
        ((), "none", False),
        ({}, "{}", True),
        ({"title": "name"}, "{}", False),
    ],
)
def test_a_list_or_mapping_that_the_page_has_otherwise_is_found(value: object, text: str, written: bool) -> None:
    assert is_written(value, text) is written


def test_the_documented_meanings_are_the_descriptions_of_the_fields() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    described = {path: meaning for path, (_, meaning) in fields_of(BUILTIN["paper"]())}
    documented = dict(re.findall(r"^\| `([a-z_.]+)` \|.*\|([^|]*)\|$", page, flags=re.MULTILINE))
    assert {path: text for path, text in documented.items() if plain(text) != plain(described[path])} == {}
    assert [path for path, meaning in described.items() if not meaning] == []


def plain(text: str) -> str:
    """A meaning without markdown: a page may mark names and link to another page in brackets."""
    return re.sub(r" \(\[[^]]+\]\([^)]+\)\)", "", text).replace("`", "").strip()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if "://" not in target and not leads_somewhere(page, target)] == []


def leads_somewhere(page: Path, target: str) -> bool:
    """Whether a link of a page names a file or folder that there is and, behind a `#`, one of its headings."""
    path, _, anchor = target.partition("#")
    linked = page.parent / path if path else page
    return linked.exists() and (not anchor or anchor in anchors(linked))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, made as GitHub makes them: words in lower case, joined by hyphens."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_an_anchor_that_no_heading_has_is_found() -> None:
    page = ROOT / "docs" / "mechanisms.md"
    assert leads_somewhere(page, "nightly.md#when-it-runs")
    assert not leads_somewhere(page, "nightly.md#when-it-ran")


def test_the_files_that_the_index_of_papers_names_exist() -> None:
    page = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:llm_auction|assets|dbt_project)/[^`]*)`", page)
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []
