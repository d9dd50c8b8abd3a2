"""Generated logs: the same again, complete, in the order of delivery, and honest about what is wrong with them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from llm_auction.answers import parse_answer
from llm_auction.click_log import EVENTS, REASONS
from llm_auction.profiles.schema import ClickLogConfig
from llm_auction.traffic import FAULTS, FaultRates, Handling, TrafficConfig, no_faults, read_manifest
from llm_auction.traffic.delivery import ACCEPTED
from llm_auction.traffic.robots import BURSTS
from tests.generated_logs import FIRST_DAY, every_fault, faults_of, lines_of, rejections, small_audience, write_log

HOUR = 3600.0


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faulty") / "log"
    write_log(folder, days=5, answers_per_day=600, faults=every_fault(), seed=3)
    return folder


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean") / "log"
    write_log(folder, days=3, answers_per_day=800, faults=no_faults(), format="jsonl")
    return folder


def events_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for _, _, line in lines_of(folder)]


def seconds(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["ts"]).timestamp()


def test_the_same_options_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        write_log(tmp_path / name, seed=seed)
    files = {
        name: {p.relative_to(tmp_path / name): p.read_bytes() for p in (tmp_path / name).rglob("*.*")}
        for name in ("one", "again", "other")
    }
    assert files["one"] == files["again"]
    assert files["one"] != files["other"]


def test_a_clean_log_holds_each_event_once_with_the_fields_of_the_contract(clean: Path) -> None:
    events = events_of(clean)
    assert len({event["event_id"] for event in events}) == len(events)
    for event in events:
        needed = {name for name, field in EVENTS[event["event"]].items() if field.required}
        assert needed <= set(event)
    manifest = read_manifest(clean)
    assert sum(day["events"] for day in manifest["days"].values()) == len(events)
    assert all(not day["rejected"] and not day["faults"] and not day["duplicates"] for day in manifest["days"].values())


def test_clicks_belong_to_shown_ads_in_time_and_conversions_to_clicks(clean: Path) -> None:
    events = events_of(clean)
    answers = {event["response_id"]: event for event in events if event["event"] == "answer"}
    ads = {ad.ad_id: ad for ad in small_audience().ads}
    clicked: dict[tuple[str, str], float] = {}
    next_day = late = 0
    for click in (event for event in events if event["event"] == "click"):
        answer = answers[click["response_id"]]
        candidates = [ads[candidate["ad_id"]] for candidate in answer["auction"]]
        assert click["ad_id"] in parse_answer(answer["answer"], candidates).ad_ids
        assert 1.9 < seconds(click) - seconds(answer) < 72 * HOUR
        next_day += click["ts"][:10] != answer["ts"][:10]
        late += seconds(click) - seconds(answer) > HOUR
        clicked[click["response_id"], click["ad_id"]] = seconds(click)
    assert next_day and late
    conversions = [event for event in events if event["event"] == "conversion"]
    assert conversions
    for conversion in conversions:
        assert seconds(conversion) > clicked[conversion["response_id"], conversion["ad_id"]]
        assert conversion["value"] > 0


def test_files_hold_what_was_delivered_in_their_part_of_the_day(clean: Path) -> None:
    for file, _, line in lines_of(clean):
        event = json.loads(line)
        happened = datetime.fromisoformat(event["ts"])
        day, part = file.split("/")[0], int(file.split("part-")[1][0])
        start = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC) + timedelta(hours=3 * part)
        assert start - timedelta(seconds=62) <= happened < start + timedelta(hours=3)


def test_people_ask_in_sessions_by_day_rather_than_by_night(clean: Path) -> None:
    answers = [event for event in events_of(clean) if event["event"] == "answer"]
    by_hour = Counter(int(event["ts"][11:13]) for event in answers)
    assert sum(by_hour[hour] for hour in range(18, 22)) > 3 * sum(by_hour[hour] for hour in range(2, 6))
    times = defaultdict(list)
    for event in answers:
        times[event["user_id"]].append(seconds(event))
    gaps = [b - a for series in times.values() for a, b in zip(sorted(series), sorted(series)[1:], strict=False)]
    assert sum(gap < 300 for gap in gaps) > 0.2 * len(gaps)


def test_every_fault_happens_and_the_manifest_counts_each(faulty: Path) -> None:
    manifest, records = read_manifest(faulty), faults_of(faulty)
    happened = Counter[str]()
    for day in manifest["days"].values():
        happened.update(day["faults"])
        accepted, rejected = sum(day["accepted"].values()), sum(day["rejected"].values())
        assert day["events"] == accepted + day["duplicates"] + rejected
    assert set(happened) == set(FAULTS)
    assert Counter(record["fault"] for record in records) == happened
    assert rejections() <= set(REASONS)
    for record in records:
        expected = FAULTS[record["fault"]].handling
        if expected is Handling.REJECT:
            assert record["due"] == record["fault"]
        elif expected in (Handling.DEDUPLICATE, Handling.DEDUPLICATE_AND_FLAG):
            assert record["due"] == "duplicate"
        else:
            assert record["due"] == ACCEPTED


def test_the_manifest_points_at_the_very_lines(faulty: Path) -> None:
    lines = {(file, number): line for file, number, line in lines_of(faulty)}
    for record in faults_of(faulty):
        if record["fault"] == "unreadable_file":
            assert (faulty / record["file"]).exists()
        elif record.get("event_id"):
            assert json.loads(lines[record["file"], record["line"]])["event_id"] == record["event_id"]
    days = read_manifest(faulty)["days"].values()
    assert len(lines) == sum(day["events"] - day["rejected"].get("unreadable_file", 0) for day in days)


def test_what_is_left_without_the_faulty_lines_is_a_sound_log(faulty: Path) -> None:
    bad = {(record["file"], record["line"]) for record in faults_of(faulty) if record["due"] != ACCEPTED}
    sound = [json.loads(line) for file, number, line in lines_of(faulty) if (file, number) not in bad]
    assert len({event["event_id"] for event in sound}) == len(sound)
    responses = {event["response_id"] for event in sound if event["event"] == "answer"}
    clicks = {(event["response_id"], event["ad_id"]) for event in sound if event["event"] == "click"}
    assert {response for response, _ in clicks} <= responses
    assert {(e["response_id"], e["ad_id"]) for e in sound if e["event"] == "conversion"} <= clicks


def test_robots_ask_more_than_a_person_can_and_farms_do_not(faulty: Path) -> None:
    kinds = {(r["file"], r["line"]): r["fault"] for r in faults_of(faulty) if r["fault"] in BURSTS}
    answers = Counter[tuple[str, str]]()
    users: dict[str, str] = {}
    for file, number, line in lines_of(faulty):
        if (file, number) in kinds and (event := json.loads(line))["event"] == "answer":
            users[event["user_id"]] = kinds[file, number]
            answers[event["user_id"], event["ts"][:13]] += 1
    assert set(users.values()) == set(BURSTS)
    for user, kind in users.items():
        asked = max(count for (who, _), count in answers.items() if who == user)
        assert asked > 120 if kind == "robot" else 85 < asked <= 120


def test_a_spammer_clicks_on_one_ad_more_often_in_an_hour_than_a_person_can(faulty: Path) -> None:
    spam = {(record["file"], record["line"]) for record in faults_of(faulty) if record["fault"] == "click_spam"}
    events = [json.loads(line) for file, number, line in lines_of(faulty) if (file, number) in spam]
    assert len({event["event_id"] for event in events}) == len(events)
    busiest: dict[tuple[str, str], int] = {}
    for (*ad, _), clicks in Counter((e["response_id"], e["ad_id"], e["ts"][:13]) for e in events).items():
        busiest[tuple(ad)] = max(clicks, busiest.get(tuple(ad), 0))
    assert busiest and min(busiest.values()) > ClickLogConfig().max_clicks_per_user_hour


def test_other_rates_leave_the_doings_of_people_as_they_are(tmp_path: Path) -> None:
    incident = {FIRST_DAY + timedelta(days=1): no_faults().changed({"malformed_json": 0.5, "duplicate": 0.3})}
    write_log(tmp_path / "good", faults=no_faults())
    manifest = write_log(tmp_path / "bad", faults=no_faults(), incidents=incident)
    assert manifest["days"]["2026-03-01"]["rejected"] == {}
    assert manifest["days"]["2026-03-02"]["rejected"]["malformed_json"] > 100
    good = {event["event_id"]: event for event in events_of(tmp_path / "good")}
    malformed = {(r["file"], r["line"]) for r in faults_of(tmp_path / "bad") if r["fault"] == "malformed_json"}
    bad = [json.loads(line) for file, number, line in lines_of(tmp_path / "bad") if (file, number) not in malformed]
    assert {event["event_id"]: event for event in bad} == good


@pytest.mark.parametrize("format_", ["jsonl", "jsonl.zst", "parquet"])
def test_every_format_holds_the_same_events(tmp_path: Path, format_: str) -> None:
    faults = FaultRates({"hostile_text": 0.05}).without_text_only()
    write_log(tmp_path / "plain", format="jsonl.gz", faults=faults)
    write_log(tmp_path / "other", format=format_, faults=faults)
    expected = sorted(event["event_id"] for event in events_of(tmp_path / "plain"))
    pattern = f"{tmp_path}/other/*/part-*"
    read = pl.read_parquet(pattern) if format_ == "parquet" else pl.read_ndjson(pattern, infer_schema_length=None)
    assert sorted(read["event_id"].to_list()) == expected
    answer = read.filter(pl.col("event") == "answer").row(0, named=True)
    assert set(answer["auction"][0]) == {"ad_id", "bid"}
    assert answer["ad_id"] is None


def test_tastes_drift_from_the_first_day_on(tmp_path: Path) -> None:
    from llm_auction.traffic.tastes import tastes_on

    still = tastes_on(FIRST_DAY, FIRST_DAY, ["a", "b"], 0.3, 0)
    moved = [tastes_on(FIRST_DAY + timedelta(days=n), FIRST_DAY, ["a", "b"], 0.3, 0)["a"] for n in (1, 2)]
    assert still == {"a": 0.0, "b": 0.0}
    assert moved[0] != moved[1] != 0.0
    write_log(tmp_path / "still", drift=0.0, faults=no_faults())
    write_log(tmp_path / "moving", drift=1.5, faults=no_faults())
    still_clicks, moving_clicks = (
        [e for e in events_of(tmp_path / name) if e["event"] == "click"] for name in ("still", "moving")
    )
    first = lambda events: {e["event_id"] for e in events if e["ts"] < "2026-03-01T23"}  # noqa: E731
    assert first(still_clicks) == first(moving_clicks)
    assert {e["event_id"] for e in still_clicks} != {e["event_id"] for e in moving_clicks}


def test_nothing_is_overwritten_unless_a_generated_log_is_to_be_replaced(tmp_path: Path) -> None:
    from llm_auction.traffic import ScriptedPolicy, generate_log

    audience = small_audience()
    policy = ScriptedPolicy(audience.relevance_of)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    config = TrafficConfig(FIRST_DAY, days=1, answers_per_day=20)
    for replace in (False, True):
        with pytest.raises(ValueError, match="is no generated log"):
            generate_log(tmp_path / "mine", config, audience, policy, replace=replace)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    generate_log(tmp_path / "log", config, audience, policy)
    with pytest.raises(ValueError, match="--replace"):
        generate_log(tmp_path / "log", config, audience, policy)
    generate_log(tmp_path / "log", TrafficConfig(FIRST_DAY, days=2, answers_per_day=20), audience, policy, replace=True)
    assert set(read_manifest(tmp_path / "log")["days"]) == {"2026-03-01", "2026-03-02"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["log", "mine"]


def test_an_interrupted_generation_leaves_nothing(tmp_path: Path) -> None:
    from llm_auction.traffic import ScriptedPolicy, generate_log

    def interrupt(day: date, events: int) -> None:
        raise KeyboardInterrupt

    audience = small_audience()
    with pytest.raises(KeyboardInterrupt):
        generate_log(
            tmp_path / "log",
            TrafficConfig(FIRST_DAY),
            audience,
            ScriptedPolicy(audience.relevance_of),
            on_progress=interrupt,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"days": 0}, "days must be >= 1"),
        ({"format": "csv"}, "format must be one of"),
        ({"drift": -1.0}, "drift must be >= 0"),
        ({"incidents": {date(2030, 1, 1): FaultRates()}}, "outside the log"),
    ],
)
def test_wrong_options_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrafficConfig(FIRST_DAY, **wrong)


@pytest.mark.parametrize(("rates", "message"), [({"gremlins": 0.1}, "gremlins"), ({"robot": 1.5}, "robot must lie in")])
def test_wrong_rates_are_named(rates: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FaultRates(rates)
