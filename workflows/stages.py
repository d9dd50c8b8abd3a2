"""The stages of a study and their order: what `llm-auction run` launches, one Dagster run each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from assets.partitions import ARMS, ITERATIONS
from llm_auction.profiles import Profile

MARKET = "market and base"
REPORT = "report"


@dataclass(frozen=True, slots=True)
class Stage:
    """One Dagster run: a job, its partition if any, and the stages that must be over before it starts."""

    name: str
    job: str
    partition: str | None = None
    after: tuple[str, ...] = ()

    @property
    def arm(self) -> str | None:
        """The arm of an iteration; None for other stages."""
        return self.partition.split("|")[0] if self.job == "irpo_iteration" and self.partition else None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Stage:
        return cls(**{**fields, "after": tuple(fields["after"])})


def plan_study(profile: Profile, arms: Sequence[str] | None = None, iterations: int | None = None) -> list[Stage]:
    """All stages of a study; `arms` and `iterations` take the place of the profile's.

    Raises:
        ValueError: an unknown arm, or more iterations than there are partitions.
    """
    chosen = tuple(arms or profile.arms)
    unknown = sorted(set(chosen) - set(ARMS))
    if unknown:
        raise ValueError(f"unknown arm {', '.join(unknown)}: choose among {', '.join(ARMS)}")
    count = iterations or profile.iterations
    if count > len(ITERATIONS):
        raise ValueError(f"iterations: {count} asked for, there are partitions for {len(ITERATIONS)}")
    stages = [Stage(MARKET, "market_and_base")]
    last: dict[str, str] = {}
    for iteration in ITERATIONS[:count]:
        for arm in chosen:
            name = f"{arm} {iteration}"
            stages.append(Stage(name, "irpo_iteration", f"{arm}|{iteration}", (last.get(arm, MARKET),)))
            last[arm] = name
    evaluations = [_evaluation("pretrained", MARKET)]
    # MOSAIC ranks its candidates by the reward model of the arm llm_auction.
    if "llm_auction" in chosen:
        evaluations.append(_evaluation("mosaic", last["llm_auction"]))
    evaluations += [_evaluation(arm, last[arm]) for arm in chosen]
    stages += evaluations
    stages.append(Stage(REPORT, "study", None, tuple(stage.name for stage in evaluations)))
    return stages


def _evaluation(mechanism: str, after: str) -> Stage:
    return Stage(f"evaluate {mechanism}", "evaluation", mechanism, (after,))


def property_job(name: str) -> str:
    """The job that runs one property check, by the check's name (`assets.properties`)."""
    return f"{name}_check"
