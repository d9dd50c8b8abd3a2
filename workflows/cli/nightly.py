"""`llm-auction nightly`: the production path on a week of generated logs, with one bad day."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflows.cli.options import DataDirOption, ProfileOption, SeedOption, SetOption, overrides_from

if TYPE_CHECKING:
    from rich.console import Console

    from workflows.environment import Environment
    from workflows.nightly import Night

FIRST_DAY = date(2026, 3, 1)
BAD_DAY = 4  # the fifth: by then there are days to compare it with
KEPT_PARTS = 2  # files of the bad day that arrive in time
MARKER = "nightly.json"  # tells a folder of this command from any other


def nightly(
    days: Annotated[int, typer.Option(min=6, max=31, help="Days of logs.")] = 7,
    answers_per_day: Annotated[int, typer.Option(min=300, help="Answers on each day.")] = 2000,
    drift: Annotated[float, typer.Option(min=0.0, help="How far tastes move in a day, in logits.")] = 0.3,
    force: Annotated[bool, typer.Option("--force", help="Delete what an earlier run left, and begin anew.")] = False,
    profile: ProfileOption = None,
    seed: SeedOption = None,
    assignments: SetOption = None,
    data_dir: DataDirOption = None,
) -> None:
    """Show the path from real click logs to a promoted reward model, on a week of simulated traffic.

    Examples:

        llm-auction nightly                       # a week
        llm-auction nightly --days 14 --drift 0   # two weeks in which nothing changes
        llm-auction nightly --force               # once more from the start

    Every night takes in the files of its day, models and guards them, refits the reward model and promotes it when it
    is not worse. On the fifth day most files are missing: the guards block it, and it is mended when they arrive.
    With your own logs: docs/click-log.md.
    """
    from workflows.cli.progress import open_console
    from workflows.environment import ROOT, prepare_environment

    folder = data_dir or ROOT / "data" / f"nightly{f'-seed{seed}' if seed else ''}"
    _make_room(folder, force)
    source = f"{folder.resolve() / 'traffic'}/{{date}}/*"
    given = {"click_log.source": source, "click_log.start_date": FIRST_DAY.isoformat()}
    environment = prepare_environment(profile, seed, folder, {**overrides_from(assignments), **given})
    (folder / MARKER).write_text(json.dumps({"days": days, "answers_per_day": answers_per_day, "drift": drift}) + "\n")
    console = open_console()
    manifest = _generate(console, environment, days, answers_per_day, drift)
    _run(console, environment, list(manifest["days"]))
    console.print(
        "\nlook at it: llm-auction ui"
        + "".join(f" --set '{field}={value}'" for field, value in given.items())
        + f" --profile {environment.profile.name} --data-dir {folder}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _make_room(folder: Path, force: bool) -> None:
    """An empty folder; what an earlier run left is deleted on demand, and nothing else ever is."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / MARKER).is_file():
        raise ValueError(f"{folder} is in use by something else: name another folder with --data-dir")
    if not force:
        raise ValueError(f"{folder} holds an earlier run: begin anew with --force, or name another folder")
    shutil.rmtree(folder)


def _generate(
    console: Console, environment: Environment, days: int, answers_per_day: int, drift: float
) -> dict[str, Any]:
    """The log; most files of the bad day are set aside, as if they had not arrived."""
    from llm_auction.traffic import FaultRates, ScriptedPolicy, TrafficConfig, generate_log, make_audience

    profile = environment.profile
    audience = make_audience(profile, users=400)
    config = TrafficConfig(
        first_day=FIRST_DAY,
        days=days,
        answers_per_day=answers_per_day,
        seed=profile.seed,
        drift=drift,
        bidding=profile.bidding,
        rules=profile.click_log,
        # On days this small a handful of skewed clocks is more than the guards allow.
        faults=FaultRates({"clock_skew": 0.001, "before_answer": 0.0}),
    )
    traffic = environment.data_dir / "traffic"
    with console.status("generating the log"):
        manifest = generate_log(traffic, config, audience, ScriptedPolicy(audience.relevance_of))
    bad_day = list(manifest["days"])[BAD_DAY]
    late = environment.data_dir / "late"
    late.mkdir()
    for file in sorted((traffic / bad_day).iterdir())[KEPT_PARTS:]:
        shutil.move(file, late / file.name)
    console.print(
        f"{days} days of {answers_per_day:,} answers in {traffic}", markup=False, highlight=False, soft_wrap=True
    )
    return manifest


def _run(console: Console, environment: Environment, days: list[str]) -> None:
    from dagster import DagsterInstance

    from workflows.definitions import defs
    from workflows.execution import execute_stage, prepare_instance
    from workflows.nightly import MARKET, run_night

    prepare_instance()
    log = environment.data_dir / "logs" / "nightly.log"
    log.parent.mkdir(exist_ok=True)
    # dbt tells all it does on standard output; that goes to a file, and the console keeps the real one.
    console.file = sys.stdout
    with (
        log.open("w", encoding="utf-8") as everything_else,
        redirect_stdout(everything_else),
        DagsterInstance.get() as instance,
        console.status("the market: catalog and base model") as status,
    ):

        def night(day: str) -> Night:
            def show(kind: str, fields: Mapping[str, Any]) -> None:
                if kind == "step_started":
                    status.update(f"{day}: {fields['step']}")

            return run_night(defs, instance, day, show)

        execute_stage(defs, instance, MARKET, {}, lambda kind, fields: None)
        for number, day in enumerate(days):
            outcome = night(day)
            _print_night(console, outcome)
            if number == BAD_DAY:
                if outcome.blocked is None:
                    raise RuntimeError(f"{day} lacks most of its files and no guard has noticed")
                _deliver_late_files(environment.data_dir, day)
                console.print("            the missing files arrive, and the day is run again", highlight=False)
                mended = night(day)
                _print_night(console, mended)
                if mended.blocked is not None:
                    raise RuntimeError(f"{day} has all its files and is blocked still: {mended.blocked}")


def _deliver_late_files(folder: Path, day: str) -> None:
    for file in sorted((folder / "late").iterdir()):
        shutil.move(file, folder / "traffic" / day / file.name)


def _print_night(console: Console, night: Night) -> None:
    from workflows.cli.progress import duration, shortened

    if night.blocked is not None:
        console.print(f"{night.day}  [bold red]blocked[/]: ", end="")
        console.print(shortened(night.blocked, 300), markup=False, highlight=False, soft_wrap=True)
        return
    log, refit = night.metrics.get("click_log", {}), night.metrics.get("nightly_pctr_model", {})
    counts = ", ".join(
        f"{log[name]:,.0f} {word}"
        for name, word in (("accepted", "events"), ("duplicates", "duplicates"), ("rejected", "rejected"))
        if name in log
    )
    losses = [f"{refit[f'{who}/log_loss']:.4f} {who}" for who in ("champion", "refit") if f"{who}/log_loss" in refit]
    console.print(f"{night.day}  {counts}; log loss {', '.join(losses)} ({duration(night.seconds)})", highlight=False)
    console.print(f"            {night.decision}", markup=False, highlight=False, soft_wrap=True)
