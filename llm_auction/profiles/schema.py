"""A profile: one complete, frozen, typed configuration of a whole run.

Every number that shapes a result stands here; a wrong value is one error that names the field, before anything runs.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from llm_auction.profiles.arms import ARMS, check_arm

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]
Arm = Annotated[str, AfterValidator(check_arm)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CatalogConfig(_Section):
    """Where the ads come from and what a valid one is."""

    source: str | None = Field(None, description="Path or glob of a catalog; None is the bundled one of 100 ads.")
    format: Literal["auto", "jsonl", "csv", "tsv", "parquet", "merchant-tsv", "merchant-xml"] = "auto"
    columns: dict[str, str] = Field(default_factory=dict, description="Our field -> the feed's column.")
    max_title_length: Positive = Field(80, description="Characters of a title that answers can carry.")
    long_titles: Literal["reject", "shorten"] = Field("reject", description="shorten cuts at a word boundary.")
    max_rejected_share: Share = Field(0.2, description="The run fails when more of the rows than this are rejected.")


class PopulationConfig(_Section):
    """Who asks, what, and who is held out for testing."""

    profiles: Positive = 100
    queries_per_profile: Positive = 5
    query_writer: Literal["sentences", "user_llm"] = Field(
        "sentences", description="Who writes the queries of generated profiles: sentence forms, or the User-LLM."
    )
    test_share: Share = Field(0.2, description="Share of PROFILES whose queries are the test set: unseen users.")
    queries_source: str | None = Field(None, description="Path or glob of query files; None generates queries.")
    queries_columns: dict[str, str] = Field(default_factory=dict, description="Our field -> the file's column.")
    max_rejected_share: Share = Field(0.2, description="The run fails when more of the queries than this are rejected.")


class CandidatesConfig(_Section):
    """How many ads compete for an answer, and how they are found."""

    per_query: Positive = 10
    random_share: Share = Field(0.3, description="Share of candidates drawn at random, so that externalities show.")
    relevance_labels: str | None = Field(
        None, description="File of labelled (query_id, ad_id, label) pairs; retrieval quality is measured on them."
    )


class AdLlmConfig(_Section):
    """The language model that is deployed and trained."""

    base: str = Field("embedded", description='"embedded", a local directory, or a Hugging Face model name.')
    revision: str | None = Field(None, description="Pinned revision of a Hugging Face model.")
    prompt: str = Field("ad_llm_v1", description="Name of the versioned prompt template.")
    show_bids: bool = Field(True, description="Whether the model reads the bids; False for an ablation.")


class SamplingConfig(_Section):
    """How answers are drawn (arXiv 2512.10551, section 5.1: 0.7, 0.8, 20)."""

    temperature: Annotated[float, Field(gt=0.0)] = 0.7
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    top_k: Annotated[int, Field(ge=0, description="0 keeps every token.")] = 20
    max_new_tokens: Positive = 160
    rows_per_batch: Positive = Field(160, description="Answers decoded together.")


class ServerConfig(_Section):
    """An OpenAI-compatible server, and how we talk to it."""

    command: str | None = Field(
        None,
        description="Starts a server of our own: `{model}`, `{host}` and `{port}` are filled in; no shell reads it.",
    )
    environment: dict[str, str] = Field(default_factory=dict, description="Environment variables of that command.")
    start_seconds: Annotated[float, Field(gt=0.0)] = Field(900.0, description="How long it may take to get ready.")
    url: str | None = Field(None, description="A running server, such as http://127.0.0.1:8000, in place of a command.")
    api_key_variable: str | None = Field(None, description="Environment variable that holds the server's API key.")
    dialect: Literal["vllm", "transformers", "openai"] = Field(
        "vllm", description="Request fields that the server knows; vllm is that of SGLang and Ray Serve LLM too."
    )
    concurrency: Positive = Field(64, description="Requests under way at a time.")
    timeout_seconds: Annotated[float, Field(gt=0.0)] = Field(600.0, description="Of one request.")
    attempts: Positive = Field(6, description="Tries of a request before the step fails.")

    @model_validator(mode="after")
    def _one_server(self) -> ServerConfig:
        if self.command is not None and self.url is not None:
            raise ValueError("command and url can't go together: start a server or name a running one")
        for place in ("{model}", "{host}", "{port}"):
            if self.command is not None and place not in self.command:
                raise ValueError(f"command must contain {place}, such as in `vllm serve {{model}} --host {{host}} ...`")
        return self

    @classmethod
    def transport(cls) -> set[str]:
        """The fields that change how a server is reached, and no result."""
        return set(ServerConfig.model_fields)

    @property
    def served(self) -> bool:
        """Whether a server is configured at all."""
        return self.command is not None or self.url is not None


class EngineConfig(ServerConfig):
    """Where the Ad-LLM's answers are drawn: in this process, or by a server when `command` or `url` is set."""

    device: str = Field("auto", description='"auto" (a GPU when there is one), "cpu", "cuda", "cuda:1" or "mps".')
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: float32 on a CPU, bfloat16 on a GPU."
    )


class UserConfig(ServerConfig):
    """Who clicks: the parametric user, or an LLM behind a server (arXiv 2512.10551, section 5.1)."""

    model: str = Field(
        "parametric", description='"parametric", or the name or directory of the User-LLM, as its server knows it.'
    )
    click_prompt: str = Field("click_judge_v1", description="Prompt template of the click judge.")
    query_prompt: str = Field("query_writer_v1", description="Prompt template of the query writer.")
    quality_prompt: str = Field("quality_judge_v1", description="Prompt template of the quality judge.")
    temperature: Annotated[float, Field(ge=0.0)] = 0.3
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8
    top_k: Annotated[int, Field(ge=0)] = Field(20, description="0 keeps every token.")
    max_new_tokens: Positive = Field(1024, description="Of one reply.")
    reasks: Annotated[int, Field(ge=0)] = Field(2, description="How often a reply of the wrong shape is asked again.")
    max_missing_share: Share = Field(0.02, description="An iteration stops when more of its ads stay unjudged.")

    @model_validator(mode="after")
    def _reachable(self) -> UserConfig:
        if self.is_llm and not self.served:
            raise ValueError(f"model is {self.model!r}, so command or url must say where it is served")
        if self.served and not self.is_llm:
            raise ValueError("command or url is set, so model must name the User-LLM that is served there")
        return self

    @property
    def is_llm(self) -> bool:
        """Whether an LLM judges, rather than the formula."""
        return self.model != "parametric"


class BiddingConfig(_Section):
    """Bids: uniform integers, drawn anew in each iteration and phase."""

    low: Annotated[int, Field(ge=0)] = 1
    high: Annotated[int, Field(ge=0)] = 100
    target_roi: Annotated[float, Field(ge=1.0)] = Field(
        1.0, description="Value of a click to its advertiser, as a multiple of the bid; 1: bids are values."
    )

    @model_validator(mode="after")
    def _ordered(self) -> BiddingConfig:
        if self.low > self.high:
            raise ValueError(f"bidding.low ({self.low}) must not exceed bidding.high ({self.high})")
        return self


class FeedbackConfig(_Section):
    """Phase 1 of an iteration: answers shown to users, and the guards on what comes back."""

    source: Literal["users", "click_log"] = Field(
        "users",
        description="users are simulated; click_log takes real answers of the deployed Ad-LLM and their clicks.",
    )
    first_day: date | None = Field(None, description="Of a click log; None takes all days before last_day.")
    last_day: date | None = Field(None, description="Of a click log; None takes all days after first_day.")
    max_logged_answers: Positive = Field(20_000, description="Of a click log with more, as many are drawn at random.")
    answers_per_query: Positive = 5
    min_ctr: Share = 0.02
    max_ctr: Share = 0.98
    max_format_error_rate: Share = Field(0.5, description="Share of answers with a format error.")
    min_volume_share: Share = Field(0.99, description="Least answers, as a share of queries x answers_per_query.")


class PctrConfig(_Section):
    """The reward model (Eq. 3, Eq. 4)."""

    encoder: str = Field("hashing", description='"hashing", or a sentence-transformers model by name or path.')
    user_dim: Positive = 64
    ad_dim: Positive = 32
    hidden: tuple[Positive, ...] = (128, 64, 32)
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    batch_size: Positive = 256
    max_epochs: Positive = 30
    patience: Positive = 4
    validation_share: Share = 0.1
    accumulate: bool = Field(True, description="Fit on the feedback of all iterations so far, not only the newest.")
    answer_features: bool = Field(True, description="Whether the model reads the answer; False for an ablation.")
    refit: bool = Field(True, description="False keeps the model of iteration 01 for all later ones (an ablation).")


class RewardConfig(_Section):
    """The weights of Eq. 5; see `llm_auction.objective.Penalty`."""

    lambda_: Annotated[float, Field(ge=0.0)] = 1.0
    ad_weight: Annotated[float, Field(ge=0.0)] = 4.0
    error_weight: Annotated[float, Field(ge=0.0)] = 20.0


class PreferenceConfig(_Section):
    """Phase 2: M answers a query under fresh bids, the winner and the losers."""

    answers_per_query: Annotated[int, Field(ge=2)] = 10
    temperature: float | None = Field(None, gt=0.0, description="Of these answers only; None takes sampling's.")
    top_p: float | None = Field(None, gt=0.0, le=1.0, description="Of these answers only; None takes sampling's.")
    delta_th: Annotated[float, Field(ge=0.0)] = Field(10.0, description="Least reward gap of a loser to the winner.")
    rewards_from: Literal["pctr", "user"] = Field(
        "pctr", description="Whose click probabilities the rewards take: the reward model's, or the user model's own."
    )


class DpoConfig(_Section):
    """Preference optimisation (Eq. 6)."""

    beta: Annotated[float, Field(gt=0.0)] = 0.1
    learning_rate: Annotated[float, Field(gt=0.0)] = 6e-4
    epochs: Positive = 2
    prompts_per_step: Positive = 16
    warmup_share: Share = 0.1
    sft_weight: Annotated[float, Field(ge=0.0)] = Field(
        40.0, description="Weight of the winner's negative log-likelihood per token; 0 switches it off."
    )
    reference: Literal["start", "base"] = Field(
        "start", description="pi_ref of Eq. 6: the model at the iteration's start, or the pretrained one throughout."
    )
    lora_rank: Annotated[int, Field(ge=0)] = Field(
        0, description="Rank of LoRA adapters in all linear layers, merged at the end; 0 trains every weight."
    )
    lora_alpha: Positive = Field(32, description="Their scale is alpha / rank.")
    max_kl: float | None = Field(None, description="Stop early above this KL to the reference, nats an answer.")
    checkpoint_steps: Positive = 50


class EvaluationConfig(_Section):
    """What is measured on the test queries."""

    test_queries: Positive = Field(100, description="At most this many of the held-out queries.")
    answers_per_query: Positive = Field(4, description="Answers drawn for each test query by one-answer mechanisms.")
    mosaic_candidates: Positive = 20
    mosaic_taus: tuple[Annotated[float, Field(gt=0.0)], ...] = (0.1, 1.0, 10.0)
    rag_winners: tuple[Positive, ...] = Field((1, 2, 3), description="k of RAG-Auction: ads sold for one whole answer.")
    rag_segments: Positive = Field(3, description="Segments that RAG-Auction sells one by one.")
    best_of: tuple[Positive, ...] = Field((1, 5, 20, 100), description="N of best-of-N under the true reward.")
    reserve_price: Annotated[float, Field(ge=0.0)] = Field(
        0.0, description="Least price a click when serving; ads that bid less are no candidates. 0: none."
    )
    reserve_prices: tuple[Annotated[float, Field(gt=0.0)], ...] = Field(
        (20.0, 40.0, 60.0, 80.0), description="What the asset reserve_prices compares with no reserve."
    )
    bootstrap_resamples: Positive = 2000


AtLeastTwo = Annotated[int, Field(ge=2)]


class PropertiesConfig(_Section):
    """How closely `llm-auction evaluate --property` looks; nothing else depends on it."""

    bid_answers: AtLeastTwo = Field(12, description="Answers at each bid of the monotonicity ladder, for each query.")
    continuity_step: Annotated[int, Field(ge=1, le=50)] = Field(
        1, description="Step between the bids of continuity, from 1 on."
    )
    continuity_answers: AtLeastTwo = Field(200, description="Answers at each bid of the one query looked at closely.")
    continuity_queries: Positive = Field(10, description="Queries over which continuity is looked at as well.")
    continuity_query_answers: AtLeastTwo = Field(8, description="Answers at each bid of those.")
    best_response_queries: Positive = Field(10, description="Queries whose advertisers play best responses.")
    best_response_rounds: Positive = Field(3, description="Most rounds of best responses.")
    best_response_answers: AtLeastTwo = Field(12, description="Answers behind each bid that an advertiser tries.")


class ClickLogConfig(_Section):
    """Where real logs come from, and what counts (docs/click-log.md)."""

    source: str | None = Field(
        None, description="Path, glob or fsspec URL of the files, with {date} for the day of delivery (YYYY-MM-DD)."
    )
    start_date: date = Field(date(2026, 1, 1), description="The first day (UTC) that there can be a partition of.")
    lateness_days: Annotated[int, Field(ge=0)] = Field(3, description="How long after its day an event may arrive.")
    clock_skew_seconds: Annotated[float, Field(ge=0.0)] = Field(
        300.0, description="How far clocks may be apart: a click before its answer, an event after its delivery."
    )
    attribution_hours: Positive = Field(72, description="A click counts within this time after its answer.")
    conversion_days: Positive = Field(30, description="A conversion counts within this time after its answer.")
    max_bid: Annotated[float, Field(gt=0.0)] = Field(10_000.0, description="A higher bid per click is an error.")
    max_value: Annotated[float, Field(gt=0.0)] = Field(1e6, description="A conversion worth more is an error.")
    max_rejected_share: Share = Field(0.05, description="A day fails when more of its events than this are rejected.")
    memory_limit: str = Field(
        "2GB", pattern=r"^\d+(\.\d+)?\s?[KMGT]i?B$", description="Of DuckDB; beyond it, it spills."
    )
    spill_dir: str | None = Field(None, description="Where it spills; None is below the data directory.")
    session_gap_minutes: Positive = Field(30, description="A user's answers further apart belong to two sessions.")
    max_answers_per_user_hour: Positive = Field(120, description="A user with more is a robot.")
    max_clicks_per_user_hour: Positive = Field(60, description="A user with more is a click spammer.")
    min_click_seconds: Annotated[float, Field(ge=0.0)] = Field(
        0.5, description="Nobody reads and clicks faster; sooner clicks are flagged."
    )


class ClickLogGuardsConfig(_Section):
    """What a day of real logs is measured against before anything is fitted on it."""

    trailing_days: Positive = Field(7, description="Days before it that a day is compared with.")
    min_trailing_days: Positive = Field(3, description="With fewer of them, nothing is compared.")
    min_volume_ratio: Annotated[float, Field(ge=0.0)] = Field(0.5, description="Answers, over the trailing median.")
    max_volume_ratio: Annotated[float, Field(gt=0.0)] = Field(2.0, description="Answers, over the trailing median.")
    max_ctr_ratio: Annotated[float, Field(ge=1.0)] = Field(
        1.5, description="Same-day CTR over the trailing one, or the other way round."
    )
    max_format_error_rise: Share = Field(0.1, description="Format-error rate, above the trailing one.")
    max_duplicate_share: Share = Field(0.5, description="Share of a day's events that were delivered before.")
    max_skewed_share: Share = Field(0.01, description="Share of clicks that are older than their answer.")
    max_unseen_ad_share: Share = Field(0.05, description="Share of candidates that the catalog does not hold.")
    max_unseen_policy_share: Share = Field(
        0.5, description="Share of answers by policies that wrote none on the trailing days."
    )
    max_excluded_share: Share = Field(0.5, description="Share of impressions flagged as robots or click spam.")


class NightlyConfig(_Section):
    """The nightly refit of the reward model on real logs, and what it takes to replace the champion."""

    window_days: Positive = Field(14, description="Days before the newest one that a refit is trained on.")
    half_life_days: Annotated[float, Field(gt=0.0)] = Field(
        7.0, description="An impression this much older than the newest counts half."
    )
    warm_start: bool = Field(
        True, description="Continue from the champion; False fits afresh on the window, better and longer."
    )
    max_impressions: Positive = Field(
        200_000, description="A window with more is thinned out evenly: what the refit holds in memory."
    )
    min_impressions: Positive = Field(500, description="With fewer on the newest day, the champion stays.")
    log_loss_tolerance: Annotated[float, Field(ge=0.0)] = Field(
        0.01, description="By how much more a promoted model's log loss may be, nats an impression."
    )
    auc_tolerance: Annotated[float, Field(ge=0.0)] = Field(
        0.01, description="By how much less a promoted model's AUC may be."
    )
    ece_tolerance: Annotated[float, Field(ge=0.0)] = Field(
        0.02, description="By how much more a promoted model's expected calibration error may be."
    )
    confidence: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.9, description="Of the bootstrap intervals whose worse end must lie within the tolerances."
    )
    bootstrap_resamples: Positive = 500


class OffPolicyConfig(_Section):
    """The estimate of what a candidate Ad-LLM would earn, from logged answers, before it is deployed."""

    window_days: Positive = Field(7, description="Days of the log up to the newest that are used.")
    max_answers: Positive = Field(2000, description="At most this many logged answers, drawn at random.")
    answers_per_query: Positive = Field(4, description="Answers of the candidate to each, for its mean prediction.")
    min_effective_samples: Annotated[float, Field(ge=1.0)] = Field(
        100.0, description="With fewer effective samples, no estimate is given."
    )
    max_unreproduced_share: Share = Field(
        0.1, description="Share of answers whose logged log-probability may not be met; they are left out."
    )
    tolerance: Annotated[float, Field(ge=0.0)] = Field(
        1.0, description="By how much less reward an answer a candidate may bring, currency units."
    )


class ScheduleConfig(_Section):
    """When the production path runs by itself (docs/nightly.md); read when the definitions are loaded."""

    cron: str = Field("0 4 * * *", pattern=r"^\s*(\S+\s+){4}\S+\s*$", description="When the nightly refit starts.")
    time_zone: str = Field("UTC", description="Of the cron; partitions are days of UTC.")
    lookback_days: Annotated[int, Field(ge=0)] = Field(
        3, description="Days before the newest that a night takes in again, for what came late."
    )
    watch_days: Positive = Field(7, description="Days up to the newest in which new and late files are looked for.")

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("must be a time zone such as Europe/Berlin") from None
        return name


Utilisation = Annotated[float, Field(gt=0.0, le=1.0)]


class CostConfig(_Section):
    """The rates of the plan that `llm-auction run --dry-run` prints; they change no result."""

    parameters: float | None = Field(
        None, gt=0.0, description="Of the Ad-LLM, in billions; None reads its checkpoint, or its name (...-4B)."
    )
    user_parameters: Annotated[float, Field(gt=0.0)] = Field(4.0, description="Of the User-LLM, in billions.")
    answer_tokens: Positive = Field(300, description="Expected length of an answer.")
    characters_per_token: Annotated[float, Field(gt=0.0)] = Field(
        4.0, description="Of prompts, where the tokenizer is not on this machine."
    )
    gpus: Positive = 1
    gpu_tflops: Annotated[float, Field(gt=0.0)] = Field(989.0, description="Of one GPU; an H100's in dense bf16.")
    reading_utilisation: Utilisation = Field(0.4, description="Share of that rate when prompts are read.")
    writing_utilisation: Utilisation = Field(0.05, description="The same when answers are written, many at a time.")
    training_utilisation: Utilisation = Field(0.3, description="The same in training.")
    gpu_hour_price: Annotated[float, Field(ge=0.0)] = Field(3.0, description="In whatever currency you pay.")


class Profile(_Section):
    """The configuration of one run; every random draw derives from `seed`."""

    name: str
    seed: Annotated[int, Field(ge=0)] = 0
    iterations: Annotated[int, Field(ge=1, le=99)] = 3
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
    bidding: BiddingConfig = BiddingConfig()
    feedback: FeedbackConfig = FeedbackConfig()
    pctr: PctrConfig = PctrConfig()
    reward: RewardConfig = RewardConfig()
    preferences: PreferenceConfig = PreferenceConfig()
    dpo: DpoConfig = DpoConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    properties: PropertiesConfig = PropertiesConfig()
    click_log: ClickLogConfig = ClickLogConfig()
    click_log_guards: ClickLogGuardsConfig = ClickLogGuardsConfig()
    nightly: NightlyConfig = NightlyConfig()
    off_policy: OffPolicyConfig = OffPolicyConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    cost: CostConfig = CostConfig()

    def of_arm(self, arm: str) -> Profile:
        """The configuration under which an arm is trained: this one, with the arm's overrides.

        Raises:
            ValueError: there is no such arm.
        """
        values = self.model_dump()
        for path, value in ARMS[check_arm(arm)].items():
            section, field = path.split(".")
            values[section][field] = value
        return Profile.model_validate(values)

    @model_validator(mode="after")
    def _query_writer_is_there(self) -> Profile:
        if self.population.query_writer == "user_llm" and not self.user.is_llm:
            raise ValueError("population.query_writer is user_llm, but user.model names no LLM")
        return self

    def iteration_keys(self) -> tuple[str, ...]:
        """Partition keys of the iterations: "01", "02", ... (zero-padded, so that text order is loop order)."""
        return tuple(f"{number:02d}" for number in range(1, self.iterations + 1))
