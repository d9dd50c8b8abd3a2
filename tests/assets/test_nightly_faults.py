"""A night that is killed, meets a full disk or another night: the champion stays sound, and a re-run mends the rest."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance

from assets.nightly_pctr_model import nightly_pctr_model
from assets.reward_model_champion import reward_model_champion
from resources.champion import Champion
from resources.model_store import ModelStore
from tests.assets.test_nightly import night
from tests.click_log_warehouse import day_of, write_days
from tests.llm_auction.pctr.simulated_market import simulate
from tests.small_disk import ROOT, fill_up, run_on_a_small_disk

pytestmark = pytest.mark.slow
POINTER = "pointers/pctr/champion.json"
# When a night is killed: before or after something takes its place. Of the refit, then of the promotion.
MOMENTS = [
    ("before", "models/pctr/"),
    ("before", f"pointers/pctr/nightly/{day_of(1)}.json"),
    ("before", POINTER),
    ("after", POINTER),
]


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with three days of traffic and the champion of the first."""
    folder = tmp_path_factory.mktemp("first-night")
    write_days(folder, {number: simulate(250, seed=number, users=12, label=f"day{number}") for number in range(3)})
    assert run_night(folder, 0) == ""
    return folder


@pytest.fixture
def data_dir(first_night: Path, tmp_path: Path) -> Path:
    return shutil.copytree(first_night, tmp_path / "data")


def run_night(data_dir: Path, number: int, assets: Any = None) -> str:
    """Refit and judge; returns the errors of the steps that failed."""
    with DagsterInstance.ephemeral() as instance:
        result = night(data_dir, number, instance, assets)
    failures = [event.step_failure_data.error for event in result.all_events if event.is_step_failure]
    return "".join(str(error) for error in failures)


def state(data_dir: Path) -> tuple[dict[str, str], set[str], list[str]]:
    """Names and versions of the store, and its champions one after the other."""
    store = ModelStore(data_dir=str(data_dir))
    history = Champion(store, "pctr").history()
    return store.pointers("pctr"), set(store.versions("pctr")), [move.version for move in history]


def in_a_fork(work: Callable[[], Any]) -> int:
    """Start `work` in a fork of a process that has imported things and done nothing; returns its process id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def alone(function: str, data_dir: Path) -> None:
    """Run a function of this module in a process of its own, which only imports what its forks need before."""
    code = f"import {__name__} as here, llm_auction.pctr.network; here.{function}(here.Path({str(data_dir)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def kill_at_every_moment(data_dir: Path) -> None:
    for when, place in MOMENTS:

        def doomed(when: str = when, place: str = place) -> None:
            os.rename, os.replace = (_deadly(move, when, place) for move in (os.rename, os.replace))
            run_night(data_dir, 1)

        _, status = os.waitpid(in_a_fork(doomed), 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, (when, place)
        champions = state(data_dir)[2]
        assert len(champions) == (2 if when == "after" else 1), (when, place)


def _deadly(move: Callable[..., None], when: str, place: str) -> Callable[..., None]:
    def moved(source: Any, target: Any) -> None:
        meant = place in str(target)
        if not (meant and when == "before"):
            move(source, target)
        if meant:
            os.kill(os.getpid(), signal.SIGKILL)

    return moved


def test_a_night_that_is_killed_is_put_right_by_the_next(first_night: Path, data_dir: Path, tmp_path: Path) -> None:
    undisturbed = shutil.copytree(first_night, tmp_path / "undisturbed")
    assert run_night(undisturbed, 1) == ""
    alone("kill_at_every_moment", data_dir)
    assert run_night(data_dir, 1) == ""
    assert state(data_dir) == state(undisturbed)
    assert not any((data_dir / "models" / ".aside").iterdir())


def judge_two_nights_at_once(data_dir: Path) -> None:
    def judged(number: int) -> None:
        promote = Champion.promote

        def together(*arguments: Any, **options: Any) -> None:
            """Wait for the other, so that both have seen the same champion."""
            (data_dir / f"judged-{number}").touch()
            deadline = time.monotonic() + 60
            while len(list(data_dir.glob("judged-*"))) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            promote(*arguments, **options)

        Champion.promote = together  # type: ignore[method-assign]
        (data_dir / f"said-{number}").write_text(run_night(data_dir, number))

    nights = [in_a_fork(lambda number=number: judged(number)) for number in (1, 2)]
    assert [os.waitpid(child, 0)[1] for child in nights] == [0, 0]


def test_of_two_nights_at_once_the_newer_one_serves(data_dir: Path) -> None:
    """Started past the run queue. Both judge their refit against the champion of day 0; one of them comes too late."""
    alone("judge_two_nights_at_once", data_dir)
    said = {number: (data_dir / f"said-{number}").read_text() for number in (1, 2)}
    (late,) = [number for number, text in said.items() if text]
    assert "another run has moved it" in said[late]
    assert run_night(data_dir, late) == ""
    pointers, _, champions = state(data_dir)
    nights = [pointers[f"nightly/{day_of(number)}"] for number in range(3)]
    assert champions == (nights if late == 2 else [nights[0], nights[2]])


def meet_a_full_disk(data_dir: Path) -> None:
    for assets in ([nightly_pctr_model], [reward_model_champion]):
        before, filler = state(data_dir), fill_up(data_dir)
        error = run_night(data_dir, 1, assets)
        assert "the disk is full: " in error, error
        assert "was not written. Free some space and run it again" in error
        assert state(data_dir) == before
        filler.unlink()
        assert run_night(data_dir, 1, assets) == ""
    assert len(state(data_dir)[2]) == 2


def test_a_full_disk_leaves_the_champion(first_night: Path, tmp_path: Path) -> None:
    code = f"""
import {__name__} as here
data_dir = here.shutil.copytree({str(first_night)!r}, {str(tmp_path / "small")!r}, dirs_exist_ok=True)
here.meet_a_full_disk(here.Path(data_dir))
"""
    run_on_a_small_disk(code, tmp_path / "small", "64m")
