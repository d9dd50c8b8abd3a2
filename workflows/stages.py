"""The stages of a run and of a study in their order: what the command line launches, one Dagster run each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from assets.partitions import ARMS, ITERATIONS
from assets.properties import ARM_OF_PROPERTIES, OF_OUTCOMES, PROPERTIES
from llm_auction.profiles import Profile
from llm_auction.profiles.arms import ABLATION_BASE, SWEEPS, is_ablation

MARKET = "market and base"
REPORT = "report"
# How long a stage takes relative to an iteration on all training queries: rough figures of the laptop profile, those of
# mechanisms with its 300 test queries. The pace is measured as stages come to their end.
WEIGHTS = {
    MARKET: 0.02,
    REPORT: 0.05,
    "rag_auction": 0.5,
    "mosaic": 0.4,
    "mosaic_tuned": 0.8,
    "best_of_n": 2.0,
    "clairvoyant": 0.02,
    "monotonicity": 1.1,
    "continuity": 0.7,
    "incentives": 1.1,
    "quality": 0.2,
    "objectives": 0.6,
    "reserve": 0.7,
    "reward_model": 0.3,
}
ONE_EVALUATION = 0.14  # of one model with one answer a query
FIXED_SHARE = 0.15  # of an iteration: what doesn't depend on the number of queries


@dataclass(frozen=True, slots=True)
class Stage:
    """One Dagster run: a job, its partition if any, and the stages that must be over before it starts.

    `needs_all`: those must have succeeded; otherwise it is enough that they are over. `weight`: how long it takes,
    relative to an iteration on all training queries.
    """

    name: str
    job: str
    partition: str | None = None
    after: tuple[str, ...] = ()
    needs_all: bool = True
    weight: float = 1.0

    @property
    def arm(self) -> str | None:
        """The arm of an iteration; None for other stages."""
        return self.partition.split("|")[0] if self.job == "irpo_iteration" and self.partition else None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Stage:
        return cls(**{**fields, "after": tuple(fields["after"])})


def plan_loop(profile: Profile, arms: Sequence[str] | None = None, iterations: int | None = None) -> list[Stage]:
    """The stages of `llm-auction run`: the loop of every arm, its evaluation, the report.

    `arms` and `iterations` take the place of the profile's. Ablations that train on fewer queries than the others
    bring the arm that they are compared with.

    Raises:
        ValueError: an unknown arm, or more iterations than there are partitions.
    """
    chosen = list(arms or profile.arms)
    unknown = sorted(set(chosen) - set(ARMS))
    if unknown:
        raise ValueError(f"unknown arm {', '.join(unknown)}: choose among {', '.join(ARMS)}")
    if any(map(is_ablation, chosen)) and profile.ablations.train_queries is not None:
        chosen += [ABLATION_BASE] if ABLATION_BASE not in chosen else []
    stages, last = _training(profile, dict.fromkeys(chosen, iterations or profile.iterations))
    evaluations = _evaluations(evaluated_with(chosen), last)
    return [*stages, *evaluations, report_stage(evaluations)]


def plan_study(profile: Profile) -> list[Stage]:
    """The stages of `llm-auction study`: the loop and its ablations, every mechanism, every property, the report.

    The mechanisms and properties that rest on the arm llm_auction are left out where the profile doesn't train it; the
    clairvoyant bound is where the users are an LLM.

    Raises:
        ValueError: more iterations than there are partitions.
    """
    from assets.mechanism_runs import MECHANISMS, MODELS_OF

    config = profile.ablations
    iterations = dict.fromkeys(profile.arms, profile.iterations)
    base = [ABLATION_BASE] if config.arms and config.train_queries is not None else []
    for arm in (*base, *config.arms):
        own = config.sweep_iterations if arm in SWEEPS else config.iterations
        iterations.setdefault(arm, min(own, profile.iterations))
    stages, last = _training(profile, iterations)
    mechanisms = [
        name
        for name in MECHANISMS
        if (name in iterations or name not in ARMS)
        and all(arm in iterations for _, arm in MODELS_OF.get(name, ()))
        and not (name == "clairvoyant" and profile.user.is_llm)
    ]
    evaluations = _evaluations(mechanisms, last)
    properties: list[Stage] = []
    if ARM_OF_PROPERTIES in iterations:
        for name in (name for name in PROPERTIES if name not in OF_OUTCOMES):
            before = "monotonicity" if name == "incentives" else last[ARM_OF_PROPERTIES]
            properties.append(property_stage(name, [before]))
    answered = [stage.name for stage in evaluations]
    of_outcomes = [property_stage(name, answered, needs_all=False) for name in OF_OUTCOMES]
    # What others wait for and what takes long begins early; a free worker takes the first stage that is ready.
    main = [stage for stage in stages if stage.arm is None or not is_ablation(stage.arm)]
    ablations = [stage for stage in stages if stage not in main]
    checks = [*properties, *of_outcomes]
    return [*main, *properties, *ablations, *evaluations, *of_outcomes, report_stage([*evaluations, *checks])]


def evaluated_with(arms: Sequence[str]) -> list[str]:
    """The mechanisms that a run of these arms evaluates: MOSAIC ranks its answers by the arm llm_auction's rewards."""
    return ["pretrained", *(["mosaic"] if "llm_auction" in arms else []), *arms]


def evaluation_stage(mechanism: str, after: Iterable[str] = (), iterations: int = 1) -> Stage:
    """The evaluation of a mechanism that has so many iterations."""
    weight = WEIGHTS.get(mechanism, ONE_EVALUATION * iterations)
    return Stage(f"evaluate {mechanism}", "evaluation", mechanism, tuple(after), weight=weight)


def property_stage(name: str, after: Iterable[str] = (), needs_all: bool = True) -> Stage:
    """A property check by its name."""
    return Stage(name, property_job(name), None, tuple(after), needs_all, WEIGHTS.get(name, 1.0))


def property_job(name: str) -> str:
    """The job that runs one property check, by the check's name (`assets.properties`)."""
    return f"{name}_check"


def report_stage(after: Iterable[Stage] = ()) -> Stage:
    """The report, once these stages are over, failed ones included."""
    return Stage(REPORT, "study", None, tuple(stage.name for stage in after), needs_all=False, weight=WEIGHTS[REPORT])


def _evaluations(mechanisms: Iterable[str], last: Mapping[str, str]) -> list[Stage]:
    """The evaluation of each mechanism, after the last stages of the arms that it rests on."""
    from assets.mechanism_runs import MODELS_OF

    stages = []
    for mechanism in mechanisms:
        after = dict.fromkeys(last[arm] for _, arm in MODELS_OF.get(mechanism, ())) or (MARKET,)
        stages.append(evaluation_stage(mechanism, after, int(last.get(mechanism, "01").split()[-1])))
    return stages


def _training(profile: Profile, iterations: Mapping[str, int]) -> tuple[list[Stage], dict[str, str]]:
    """The market, then the iterations of every arm (name -> how many), and the name of each arm's last stage."""
    most = max(iterations.values(), default=0)
    if most > len(ITERATIONS):
        raise ValueError(f"iterations: {most} asked for, there are partitions for {len(ITERATIONS)}")
    stages, last = [Stage(MARKET, "market_and_base", weight=WEIGHTS[MARKET])], dict[str, str]()
    for number, iteration in enumerate(ITERATIONS[:most], start=1):
        for arm in (arm for arm, own in iterations.items() if own >= number):
            name, partition, after = f"{arm} {iteration}", f"{arm}|{iteration}", (last.get(arm, MARKET),)
            stages.append(Stage(name, "irpo_iteration", partition, after, weight=_weight(profile, arm)))
            last[arm] = name
    return stages, last


def _weight(profile: Profile, arm: str) -> float:
    """Of an iteration of the arm."""
    population = profile.population
    queries = population.profiles * population.queries_per_profile * (1 - population.test_share)
    own = profile.of_arm(arm).population.train_queries or queries
    return FIXED_SHARE + (1 - FIXED_SHARE) * min(own / queries, 1.0) if queries else 1.0
