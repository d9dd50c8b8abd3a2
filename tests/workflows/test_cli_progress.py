"""What a running loop shows, on a terminal and anywhere else."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from workflows.cli.progress import LoopDisplay, duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (61, "1 min 01 s"), (3600, "1 h 00 min"), (7500, "2 h 05 min")]
)
def test_durations_read_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def played(events: list[tuple[str, str, dict[str, object]]], *, terminal: bool = False) -> str:
    from workflows.loop import LoopEvent

    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    with LoopDisplay(console) as display:
        for kind, stage, fields in events:
            display(LoopEvent(kind, stage, fields))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


LOOP = [
    (
        "planned",
        "",
        {"stages": {"market and base": 0.1, "llm_auction 01": 1.0, "evaluate mosaic": 0.7, "report": 0.1}},
    ),
    ("skipped", "market and base", {}),
    ("started", "llm_auction 01", {}),
    ("step_started", "llm_auction 01", {"step": "ad_responses"}),
    ("progress", "llm_auction 01", {"message": "answers sampled: 10 of 400"}),
    ("check_failed", "llm_auction 01", {"check": "ad_llm: tuned_against_base", "severity": "WARN"}),
    ("done", "llm_auction 01", {"seconds": 62.0, "metrics": {"pctr_model": {"after/auc": 0.78125}}}),
    ("started", "evaluate mosaic", {}),
    ("failed", "evaluate mosaic", {"message": "no disk"}),
]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_loop_tells_what_happens(terminal: bool) -> None:
    text = played(LOOP, terminal=terminal)
    assert "market and base: there already" in text
    assert "llm_auction 01: check failed, warn: ad_llm: tuned_against_base" in text
    assert "llm_auction 01: done in 1 min 02 s; pCTR AUC 0.781" in text
    assert "evaluate mosaic: failed" in text


def test_plain_output_has_no_control_sequences_and_estimates_the_time_to_go() -> None:
    text = played(LOOP)
    assert "\x1b" not in text
    # 0.7 of an iteration for the evaluation and 0.1 for the report, at 62 s an iteration.
    assert "evaluate mosaic: started (2 of 4 stages, 0 s, about 50 s to go)" in text


def test_what_other_code_made_is_named_once_at_the_end() -> None:
    kept = [
        ("skipped", "llm_auction 01", {"other_code": ["ad_llm", "pctr_model"]}),
        ("skipped", "llm_auction 02", {"other_code": []}),
        ("skipped", "evaluate mosaic", {"other_code": ["mechanism_outcomes"]}),
    ]
    lines = played([*LOOP[:1], *kept, *LOOP[-2:]]).splitlines()
    assert lines[-1] == (
        "kept although other code made it: llm_auction 01 (ad_llm, pctr_model); evaluate mosaic (mechanism_outcomes). "
        "The same command with --force does all of it again"
    )
    assert sum("--force" in line for line in lines) == 1
    assert "--force" not in played([*LOOP[:1], kept[1]])


def test_a_message_of_many_lines_takes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.cli.progress.QUIET_SECONDS", -1.0)
    text = played([*LOOP[:4], ("progress", "llm_auction 01", {"message": f"{'x' * 300}\nsecond line"})])
    assert "second line" not in text
    assert max(map(len, text.splitlines())) < 160
