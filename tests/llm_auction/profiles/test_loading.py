"""Profiles load by name; single fields are overridden, and every mistake names its field."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_auction.profiles import ProfileError, load_profile
from llm_auction.profiles.builtin import BUILTIN, laptop, smoke


@pytest.fixture(autouse=True)
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, so that no `.env` of a developer is read."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_builtin_profiles_load_as_they_are_written(name: str) -> None:
    assert load_profile(name) == BUILTIN[name]()


def test_the_default_is_laptop_and_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_profile() == laptop()
    monkeypatch.setenv("LLM_AUCTION_PROFILE", "smoke")
    assert load_profile() == smoke()
    assert load_profile("laptop") == laptop()


def test_later_places_win(working_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (working_directory / ".env").write_text(
        "LLM_AUCTION_PROFILE=smoke\nLLM_AUCTION__SEED=1\nLLM_AUCTION__DPO__BETA=0.3\nLLM_AUCTION__DPO__EPOCHS=7\n"
        "OTHER=thing\nLLM_AUCTION__DPO__WARMUP_SHARE=\n"
    )
    monkeypatch.setenv("LLM_AUCTION__SEED", "2")
    monkeypatch.setenv("LLM_AUCTION__DPO__BETA", "0.4")
    profile = load_profile(overrides={"seed": "3"})
    assert (profile.name, profile.seed, profile.dpo.beta, profile.dpo.epochs) == ("smoke", 3, 0.4, 7)
    assert profile.dpo.warmup_share == smoke().dpo.warmup_share


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("dpo.learning_rate", "1e-3", 1e-3),
        ("dpo.max_kl", "none", None),
        ("dpo.max_kl", "2.5", 2.5),
        ("population.train_queries", "none", None),
        ("pctr.accumulate", "false", False),
        ("pctr.hidden", "[64, 32]", (64, 32)),
        ("evaluation.mosaic_taus", "1, 10", (1.0, 10.0)),
        ("arms", "oracle", ("oracle",)),
        ("catalog.columns", '{"title": "ad_title"}', {"title": "ad_title"}),
        ("catalog.source", "feeds/*.tsv", "feeds/*.tsv"),
        ("reward.lambda", "2", 2.0),
        ("reward.lambda_", 2.0, 2.0),
        ("seed", 5, 5),
    ],
)
def test_values_are_converted(field: str, text: object, value: object) -> None:
    loaded: object = load_profile("smoke", {field: text})
    for part in field.split("."):
        loaded = getattr(loaded, part, None) if part != "lambda" else loaded.lambda_  # type: ignore[attr-defined]
    assert loaded == value


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        ({"dpo.learning_rat": "1"}, ["'dpo.learning_rat'", "beta, learning_rate", "did you mean dpo.learning_rate?"]),
        ({"dop.beta": "1"}, ["'dop.beta'", "candidates", "did you mean dpo?"]),
        ({"dpo": "1"}, ["dpo is a section", "dpo.beta"]),
        ({"seed.x": "1"}, ["seed has no field 'x'"]),
        ({"name": "mine"}, ["LLM_AUCTION_PROFILE"]),
        ({"": "1"}, ["unknown field ''"]),
        ({"dpo.beta": "-1"}, ["dpo.beta", "greater than 0", "'-1'"]),
        ({"dpo.beta": "nan"}, ["dpo.beta", "finite"]),
        ({"seed": "1.5"}, ["seed", "integer", "'1.5'"]),
        ({"catalog.long_titles": "cut"}, ["catalog.long_titles", "'reject' or 'shorten'"]),
        ({"evaluation.best_of": "[]"}, ["evaluation.best_of", "at least 1 item"]),
        ({"catalog.columns": "{title"}, ["catalog.columns", "dictionary"]),
        ({"arms": "oracle,prophet"}, ["arms.1", "choose among llm_auction, oracle, no_answer_features", "'prophet'"]),
        ({"bidding.low": "200"}, ["bidding.low (200)", "bidding.high (100)", "the overrides"]),
        ({"seed": "x", "dpo.beta": "y"}, ["seed", "dpo.beta"]),
        ({"judge.model": "grader"}, ["judge", "command or url must say where it is served"]),
        ({"judge.url": "http://h"}, ["judge", "model must name the judge"]),
        ({"engine.url": "http://me:pw@h"}, ["engine", "url must hold no user or password", "api_key_variable"]),
    ],
)
def test_a_mistake_names_the_field_and_what_is_allowed(overrides: dict[str, str], parts: list[str]) -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile("smoke", overrides)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://me:s3cret@h:8000", "https://s3cret@h/v1", "me:s3cret@h", "http://me:s3@cret@h"]
)
@pytest.mark.parametrize("section", ["engine", "user", "judge"])
def test_a_url_with_a_password_is_refused_and_not_repeated(section: str, url: str) -> None:
    with pytest.raises(ProfileError) as caught:
        load_profile(
            "smoke", {f"{section}.url": url, f"{section}.model": "m"} if section != "engine" else {"engine.url": url}
        )
    assert "api_key_variable" in str(caught.value) and "cret" not in str(caught.value)


def test_a_url_may_hold_an_at_in_its_path() -> None:
    assert load_profile("smoke", {"engine.url": "http://h/models/m@001"}).engine.url == "http://h/models/m@001"


def test_an_unknown_profile_names_those_there_are() -> None:
    with pytest.raises(ProfileError, match="unknown profile 'huge': choose one of laptop, paper, smoke"):
        load_profile("huge")


def test_a_mistake_in_a_variable_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_AUCTION__SAMPLING__TOP_P", "1.5")
    with pytest.raises(ProfileError, match=r"sampling\.top_p.*LLM_AUCTION__SAMPLING__TOP_P in the environment"):
        load_profile("smoke")


def test_a_dotenv_file_that_is_no_text_is_named(working_directory: Path) -> None:
    (working_directory / ".env").write_bytes(b"LLM_AUCTION__SEED=\xff\xfe\n")
    with pytest.raises(ProfileError, match=r"\.env can't be read as UTF-8"):
        load_profile("smoke")
