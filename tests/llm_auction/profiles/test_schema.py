"""`llm-auction profiles NAME` says of every field what it means."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from llm_auction.profiles import ProfileError, load_profile
from llm_auction.profiles.schema import MAX_ITERATIONS, ClickLogConfig, Profile, ScheduleConfig

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


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("61 4 * * *", "61 is no minute"),
        ("0 24 * * *", "24 is no hour"),
        ("0 4 0 * *", "0 is no day of the month"),
        ("0 4 * 13 *", "13 is no month"),
        ("0 4 * * 8", "8 is no day of the week"),
        ("0 4 * * 5-1", "5-1 is no day of the week"),
        ("*/0 4 * * *", "is no minute"),
        ("0,,5 4 * * *", "is no minute"),
        ("a b c d e", "a is no minute"),
        ("0 4 * *", "five fields"),
    ],
)
def test_a_cron_that_never_comes_is_an_error_of_its_field(cron: str, message: str) -> None:
    with pytest.raises(ValidationError, match=rf"cron\n.*{message}"):
        ScheduleConfig(cron=cron)


@pytest.mark.parametrize("cron", ["0 4 * * *", "*/15 0-6,22 1,15 jan-MAR mon-fri", "5 4 * * 7", "0 0-23/2 * * *"])
def test_a_cron_is_taken_as_it_is(cron: str) -> None:
    assert ScheduleConfig(cron=cron).cron == cron


@pytest.mark.parametrize("source", ["/logs/*.jsonl", "/logs/{date:%H}/*.jsonl"])
def test_a_source_must_name_the_day(source: str) -> None:
    with pytest.raises(ValidationError, match=r"source\n.*\{date"):
        ClickLogConfig(source=source)


def test_clicks_are_not_waited_for_longer_than_conversions() -> None:
    assert ClickLogConfig(attribution_hours=48, conversion_days=2).attribution_hours == 48
    message = r"click_log.*attribution_hours \(49\).*conversion_days \(2\).*conversion_days to 3.*hours to 48"
    with pytest.raises(ProfileError, match=message):
        load_profile("smoke", {"click_log.attribution_hours": "49", "click_log.conversion_days": "2"})


def test_four_parts_of_the_users_can_be_held_out_and_no_more() -> None:
    assert load_profile("smoke", {"pctr.validation_share": "0.25"}).pctr.validation_share == 0.25
    for share in ("0", "0.26", "0.5"):
        with pytest.raises(ProfileError, match=r"pctr\.validation_share"):
            load_profile("smoke", {"pctr.validation_share": share})
