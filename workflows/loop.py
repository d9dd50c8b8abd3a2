"""The whole loop on this machine: market and base once, then the arms side by side, their evaluations, the report.

Stages run in worker processes, one for each arm as far as there are processors, and every stage is a Dagster run on
the persistent instance. A stage starts when those it needs are over; what stands from an earlier run is skipped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflows.environment import Environment, prepare_environment
from workflows.stages import Stage, plan_loop, plan_study
from workflows.worker_pool import WorkerPool


class LoopFailed(RuntimeError):
    """A stage of the loop failed; one message says which step and why."""


class LoopInterrupted(KeyboardInterrupt):
    """The user stopped the loop; what was finished is kept."""


@dataclass(frozen=True, slots=True)
class LoopEvent:
    """What happens in a loop.

    `kind`: `planned` (fields: `stages`, name -> weight of each, in order), `started` (`pid`), `skipped`
    (`other_code`: assets that another code version made), `step_started` (`step`), `step_finished` (`step`,
    `seconds`), `progress` (`message`), `check_failed` (`check`, `severity`), `done` (`seconds`, `run_id`, `metrics`:
    asset -> name -> number) or `failed` (`message`). `stage` is empty for `planned`.
    """

    kind: str
    stage: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoopResult:
    """A loop that came to its end: its state folder, what ran and what stood already, and the seconds it took.

    `failed`: what a study went on without, name -> why; a loop ends with its first failure.
    """

    environment: Environment
    ran: tuple[str, ...]
    skipped: tuple[str, ...]
    seconds: float
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def data_dir(self) -> Path:
        return self.environment.data_dir


def run_loop(
    profile: str | None = None,
    *,
    seed: int | None = None,
    data_dir: Path | str | None = None,
    overrides: Mapping[str, str] | None = None,
    arms: Sequence[str] | None = None,
    iterations: int | None = None,
    study: bool = False,
    force: bool = False,
    on_event: Callable[[LoopEvent], None] = lambda event: None,
    definitions: str = "workflows.definitions",
) -> LoopResult:
    """Run the loop to its report.

    Args:
        profile, seed, data_dir, overrides: see `prepare_environment`.
        arms, iterations: in place of the profile's; not for a study.
        study: everything that a study measures, not the loop alone. What doesn't need a stage that failed is done
            all the same.
        force: run every stage, also those whose result stands.
        on_event: called with everything that happens, from one thread at a time.
        definitions: the module whose `defs` are run, such as one that gathers them with an engine of one's own.

    Raises:
        ProfileError, StorageError: before anything runs.
        LoopFailed: a stage failed, or another loop is at work on the same data directory.
        LoopInterrupted: Ctrl-C; the stages under way are recorded as interrupted.
    """
    from filelock import FileLock, Timeout

    from workflows.execution import prepare_instance

    environment = prepare_environment(profile, seed, data_dir, overrides)
    stages = plan_study(environment.profile) if study else plan_loop(environment.profile, arms, iterations)
    started = time.monotonic()
    try:
        with FileLock(environment.data_dir / ".loop.lock", timeout=0):
            prepare_instance()
            on_event(LoopEvent("planned", "", {"stages": {stage.name: stage.weight for stage in stages}}))
            pool = _open_pool(stages, environment, definitions)
            skipped, failed = _run_stages(stages, pool, force, study, on_event)
    except Timeout:
        raise LoopFailed(
            f"another `llm-auction run` is at work in {environment.data_dir}: wait for it, or give this one another "
            "DATA_DIR"
        ) from None
    except LoopInterrupted:
        # A worker may have been stopped after it had made a run and before it had started it.
        prepare_instance()
        raise
    ran = tuple(stage.name for stage in stages if stage.name not in skipped and stage.name not in failed)
    return LoopResult(environment, ran, tuple(skipped), time.monotonic() - started, failed)


def _open_pool(stages: Sequence[Stage], environment: Environment, definitions: str) -> WorkerPool:
    """One worker an arm, as far as there are processors, which they share."""
    processors = _processors()
    arms = len({stage.arm for stage in stages if stage.arm is not None})
    workers = max(1, min(arms, processors))
    return WorkerPool(workers, max(1, processors // workers), environment.data_dir / "logs", definitions)


def _run_stages(
    stages: Sequence[Stage], pool: WorkerPool, force: bool, go_on: bool, on_event: Callable[[LoopEvent], None]
) -> tuple[list[str], dict[str, str]]:
    """Run the stages in their order of need.

    With `go_on` a failure keeps back only the stages that need it; without, the first one ends everything.

    Returns the names of those that stood already, and name -> why of those that failed or were kept back.
    """
    waiting = {stage.name: stage for stage in stages}
    over: set[str] = set()
    skipped: list[str] = []
    failed: dict[str, str] = {}
    with pool:
        try:
            while waiting or pool.busy:
                for name, reason in _kept_back(waiting.values(), failed).items() if go_on else ():
                    failed[name] = reason
                    del waiting[name]
                    on_event(LoopEvent("failed", name, {"message": reason}))
                ready = [stage for stage in waiting.values() if _is_ready(stage, over, failed)]
                for stage in ready[: pool.idle] if go_on or not failed else []:
                    pool.order({"stage": waiting.pop(stage.name).as_dict(), "force": force}, stage.name)
                if not pool.busy:
                    break
                answer = pool.next_answer()
                kind, name = answer.pop("event"), answer.pop("stage")
                on_event(LoopEvent(kind, name, answer))
                if kind == "failed":
                    failed[name] = str(answer["message"])
                elif kind in ("done", "skipped"):
                    over.add(name)
                if kind == "skipped":
                    skipped.append(name)
        except KeyboardInterrupt:
            pool.interrupt()
            raise LoopInterrupted("stopped; what was finished is kept, run it again to go on") from None
    if failed and (waiting or not go_on):
        raise LoopFailed(next(iter(failed.values())))
    return skipped, failed


def _is_ready(stage: Stage, over: Set[str], failed: Mapping[str, str]) -> bool:
    return all(name in over or (name in failed and not stage.needs_all) for name in stage.after)


def _kept_back(waiting: Iterable[Stage], failed: Mapping[str, str]) -> dict[str, str]:
    """The stages that can't run because one that they need has failed, and why; in order, so that they add up."""
    found: dict[str, str] = {}
    for stage in waiting:
        missing = next((name for name in stage.after if name in failed or name in found), None)
        if stage.needs_all and missing is not None:
            found[stage.name] = f"{stage.name} was left out: {missing} failed"
    return found


def _processors() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
