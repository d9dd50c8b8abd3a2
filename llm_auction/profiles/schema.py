"""A profile: one complete, frozen, typed configuration of a whole run.

Every number that a run may choose stands in one of its sections; those of the simulated user and of the inside of the
reward model are constants beside their code (`llm_auction.users`, `llm_auction.pctr`). A wrong value is one error that
names the field, before anything runs.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from llm_auction.profiles.arms import ABLATION_BASE, ARMS, OBJECTIVES, check_arm, is_ablation
from llm_auction.profiles.evaluation import AblationsConfig, EvaluationConfig, PropertiesConfig
from llm_auction.profiles.irpo import (
    BiddingConfig,
    DpoConfig,
    FeedbackConfig,
    LauncherConfig,
    PctrConfig,
    PreferenceConfig,
    RewardConfig,
)
from llm_auction.profiles.market import CandidatesConfig, CatalogConfig, PopulationConfig
from llm_auction.profiles.models import (
    AdLlmConfig,
    EngineConfig,
    JudgeConfig,
    ReplyConfig,
    SamplingConfig,
    ServerConfig,
    UserConfig,
)
from llm_auction.profiles.planning import CostConfig
from llm_auction.profiles.production import (
    ClickLogConfig,
    ClickLogGuardsConfig,
    NightlyConfig,
    OffPolicyConfig,
    ScheduleConfig,
)
from llm_auction.profiles.section import Arm, Section

__all__ = [
    "AblationsConfig",
    "AdLlmConfig",
    "BiddingConfig",
    "CandidatesConfig",
    "CatalogConfig",
    "ClickLogConfig",
    "ClickLogGuardsConfig",
    "CostConfig",
    "DpoConfig",
    "EngineConfig",
    "EvaluationConfig",
    "FeedbackConfig",
    "JudgeConfig",
    "LauncherConfig",
    "NightlyConfig",
    "OffPolicyConfig",
    "PctrConfig",
    "PopulationConfig",
    "PreferenceConfig",
    "Profile",
    "PropertiesConfig",
    "ReplyConfig",
    "RewardConfig",
    "SamplingConfig",
    "ScheduleConfig",
    "ServerConfig",
    "UserConfig",
]


# There are as many partitions of the loop.
MAX_ITERATIONS = 20


class Profile(Section):
    """The configuration of one run; every random draw derives from `seed`."""

    name: str = Field(description="What --profile calls it.")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Of every random draw.")
    iterations: Annotated[int, Field(ge=1, le=MAX_ITERATIONS)] = Field(3, description="IRPO iterations of every arm.")
    arms: tuple[Arm, ...] = Field(
        ("llm_auction", "oracle"), description="What a run trains (`llm_auction/profiles/arms.py`)."
    )
    catalog: CatalogConfig = CatalogConfig()
    population: PopulationConfig = PopulationConfig()
    candidates: CandidatesConfig = CandidatesConfig()
    ad_llm: AdLlmConfig = AdLlmConfig()
    sampling: SamplingConfig = SamplingConfig()
    engine: EngineConfig = EngineConfig()
    user: UserConfig = UserConfig()
    judge: JudgeConfig = JudgeConfig()
    bidding: BiddingConfig = BiddingConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    pctr: PctrConfig = PctrConfig()
    reward: RewardConfig = RewardConfig()
    preferences: PreferenceConfig = PreferenceConfig()
    dpo: DpoConfig = DpoConfig()
    launcher: LauncherConfig = LauncherConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    properties: PropertiesConfig = PropertiesConfig()
    ablations: AblationsConfig = AblationsConfig()
    click_log: ClickLogConfig = ClickLogConfig()
    click_log_guards: ClickLogGuardsConfig = ClickLogGuardsConfig()
    nightly: NightlyConfig = NightlyConfig()
    off_policy: OffPolicyConfig = OffPolicyConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    cost: CostConfig = CostConfig()

    def luck_of(self, arm: str) -> str:
        """The arm whose random draws an arm shares: of ablations and other objectives, what they are compared with.

        Bids, answers, clicks and the order of training then differ only by what the arm changes. Two arms of 75 queries
        that are the same but for their luck may lie 17 of reward apart (docs/experiments.md).
        """
        if is_ablation(arm):
            return "llm_auction" if self.ablations.train_queries is None else ABLATION_BASE
        return "llm_auction" if arm in OBJECTIVES else arm

    def of_arm(self, arm: str) -> Profile:
        """The configuration under which an arm is trained: this one, with the arm's overrides.

        Raises:
            ValueError: there is no such arm.
        """
        values = self.model_dump()
        for path, value in ARMS[check_arm(arm)].items():
            section, field = path.split(".")
            values[section][field] = value
        if is_ablation(arm) and self.ablations.train_queries is not None:
            values["population"]["train_queries"] = self.ablations.train_queries
        return Profile.model_validate(values)

    @model_validator(mode="after")
    def _conversions_are_simulated(self) -> Profile:
        if self.reward.bids_on == "conversions" and (self.user.is_llm or self.feedback.source == "click_log"):
            raise ValueError(
                "reward.bids_on is conversions, which only the parametric user has: leave user.model parametric and "
                "feedback.source at users"
            )
        return self

    @model_validator(mode="after")
    def _query_writer_is_there(self) -> Profile:
        if self.population.query_writer == "user_llm" and not self.user.is_llm:
            raise ValueError("population.query_writer is user_llm, but user.model names no LLM")
        return self
