"""`llm-auction profiles NAME` says of every field what it means."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from llm_auction.profiles import ProfileError, load_profile
from llm_auction.profiles.schema import MAX_ITERATIONS, Profile

SECTIONS = {
    name: field.annotation
    for name, field in Profile.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_and_section_says_what_it_means(section: str) -> None:
    model = SECTIONS[section]
    assert model.__doc__
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_every_field_of_no_section_says_what_it_means() -> None:
    fields = {name: field for name, field in Profile.model_fields.items() if name not in SECTIONS}
    assert [name for name, field in fields.items() if not field.description] == []


def test_no_more_iterations_than_there_are_partitions() -> None:
    assert load_profile("smoke", {"iterations": str(MAX_ITERATIONS)}).iterations == MAX_ITERATIONS
    with pytest.raises(ProfileError, match=f"iterations.*{MAX_ITERATIONS}"):
        load_profile("smoke", {"iterations": str(MAX_ITERATIONS + 1)})
