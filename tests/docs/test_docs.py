"""The documentation names only what there is, and every setting that there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

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
    """Whether a cell says what the field holds; long lists and mappings may be put into words."""
    if isinstance(value, tuple | list | dict):
        return bool(text)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(text) == value
    return text.strip("`").lower() == str(value).lower()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+?)\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


def test_the_files_that_the_index_of_papers_names_exist() -> None:
    page = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:llm_auction|assets|dbt_project)/[^`]*)`", page)
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []
