"""The cost model of a run: what each stage reads, writes and trains, and what that takes on the configured GPUs.

A token that is read costs 2 P floating-point operations (P parameters), one that is written as many, one that is
trained 6 P, or 8 P where activations are computed again, and 2 P more once for the reference (Kaplan et al., arXiv
2001.08361, section 2.1; attention, a few percent at these lengths, is left out). The section `cost` says what a GPU can
do and which share of it each kind of work gets.
A prompt is read once for all its answers: in this process by the shared prefix, on a server by its prefix cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from llm_auction.hub import is_path
from llm_auction.planning.size import ModelSize
from llm_auction.profiles.schema import CostConfig, Profile

READ_OR_WRITTEN, TRAINED, RECOMPUTED, REFERENCE = 2, 6, 2, 2  # operations a parameter and token
# Weights as they are sampled (bfloat16), and as they are trained: float32 with gradients and two moments of Adam, and a
# copy in bfloat16 while a pass is computed. Of adapters' base model, and of a reference, only float32 and that copy.
SAMPLING_BYTES, TRAINING_BYTES, FROZEN_BYTES, STORED_BYTES = 2, 18, 6, 4
# A checkpoint holds weights and moments; the third is written before the first is removed (`irpo.training`).
CHECKPOINTS, CHECKPOINT_BYTES = 3, 12
# The User-LLM's replies, tokens: a verdict an ad, a question; its instructions.
VERDICT_TOKENS, QUESTION_TOKENS, INSTRUCTION_TOKENS = 40, 25, 600
ADS_PER_ANSWER = 2


@dataclass(frozen=True, slots=True)
class Stage:
    """One kind of work, over all its runs.

    `requests` are answers, replies or prompts; tokens are read, written or trained (an epoch counts anew). Memory in
    bytes is what the model itself needs of each GPU that it is on and, where it answers in this process, the most that
    the keys and values of the answers under way can take. Disk in bytes is what stays, and what one training holds.
    """

    name: str
    requests: int
    read: float
    written: float
    trained: float
    gpu_hours: float
    memory: float
    disk: float


@dataclass(frozen=True, slots=True)
class Plan:
    """All stages of a run and the numbers that they rest on."""

    stages: tuple[Stage, ...]
    size: ModelSize
    prompt_tokens: float
    answer_tokens: float
    train_queries: int
    test_queries: int
    gpus: int
    price: float

    @property
    def gpu_hours(self) -> float:
        return sum(stage.gpu_hours for stage in self.stages)

    @property
    def cost(self) -> float:
        """In the currency of `cost.gpu_hour_price`."""
        return self.gpu_hours * self.price


def plan_run(profile: Profile, size: ModelSize, prompt_tokens: float) -> Plan:
    """The plan of one run of `profile`, whose prompts are `prompt_tokens` long."""
    users = profile.population.profiles
    held_out = round(users * profile.population.test_share)
    train = (users - held_out) * profile.population.queries_per_profile
    test = min(held_out * profile.population.queries_per_profile, profile.evaluation.test_queries)
    answer = float(min(profile.cost.answer_tokens, profile.sampling.max_new_tokens))
    return Plan(
        stages=tuple(_stages(profile, size, prompt_tokens, answer, train, test)),
        size=size,
        prompt_tokens=prompt_tokens,
        answer_tokens=answer,
        train_queries=train,
        test_queries=test,
        gpus=profile.cost.gpus,
        price=profile.cost.gpu_hour_price,
    )


def _stages(profile: Profile, size: ModelSize, prompt: float, answer: float, train: int, test: int) -> Iterator[Stage]:
    cost, user = profile.cost, ModelSize(profile.cost.user_parameters * 1e9, "cost.user_parameters")
    runs = len(profile.arms) * profile.iterations

    def sampling(name: str, prompts: int, copies: int, scored: bool) -> Stage:
        answers = prompts * copies
        # A served checkpoint is read once more, for the log-probabilities.
        passes = 2 if scored and profile.engine.served else 1
        read = passes * prompts * prompt + (passes - 1) * answers * answer
        together = min(profile.sampling.rows_per_batch, answers)
        cached = max(1, together // copies) * prompt + together * profile.sampling.max_new_tokens
        cache = 0.0 if profile.engine.served else cached * (size.cache_bytes or 0.0)
        disk = answers * answer * 5
        # A server divides its model as its command says; in this process it is on one GPU, however many there are.
        memory = size.parameters * SAMPLING_BYTES / (cost.gpus if profile.engine.served else 1) + cache
        return _stage(name, cost, size, answers, memory, read=read, written=answers * answer, disk=disk)

    def judging(name: str, replies: int, material: float, written: float) -> Stage:
        read, memory = replies * (INSTRUCTION_TOKENS + material), user.parameters * SAMPLING_BYTES / cost.gpus
        return _stage(name, cost, user, replies, memory, read=read, written=written)

    # One of the hub lies in its cache besides.
    copies_of_base = 1 if profile.ad_llm.base == "embedded" or is_path(profile.ad_llm.base) else 2
    yield _stage("pretrained_ad_llm", cost, size, 0, disk=copies_of_base * size.parameters * SAMPLING_BYTES)
    if profile.population.query_writer == "user_llm":
        users = profile.population.profiles
        words = QUESTION_TOKENS * profile.population.queries_per_profile
        yield judging("user_queries", users, 60, users * words)
    feedback = profile.feedback.answers_per_query
    yield sampling("ad_responses", runs * train, feedback, scored=True)
    if profile.user.is_llm:
        replies = runs * train * feedback
        yield judging("click_feedback", replies, answer + 60, replies * ADS_PER_ANSWER * VERDICT_TOKENS)
    copies = profile.preferences.answers_per_query
    yield sampling("preference_pairs", runs * train, copies, scored=True)
    checkpoints = 0 if profile.dpo.lora_rank else CHECKPOINTS * CHECKPOINT_BYTES * size.parameters
    yield _stage(
        "ad_llm",
        cost,
        size,
        runs * train,
        _training_memory(profile, size),
        trained=runs * train * (prompt + copies * answer),
        epochs=profile.dpo.epochs,
        training=TRAINED + (RECOMPUTED if profile.dpo.activation_checkpointing else 0),
        # The result of one training lies beside its checkpoints until the model store has it.
        disk=(runs + 1) * size.parameters * STORED_BYTES + checkpoints,
    )
    evaluation = profile.evaluation
    shown = evaluation.answers_per_query
    yield sampling("evaluation: one answer", test * (1 + runs), shown, scored=False)
    yield sampling("evaluation: MOSAIC", test, evaluation.mosaic_candidates, scored=False)
    if profile.user.is_llm:
        if "oracle" in profile.arms:
            replies = profile.iterations * train * copies
            yield judging("preference_pairs: oracle", replies, answer + 60, replies * ADS_PER_ANSWER * VERDICT_TOKENS)
        replies = test * (2 + runs) * shown
        yield judging("evaluation: clicks", replies, answer + 60, replies * ADS_PER_ANSWER * VERDICT_TOKENS)


def _training_memory(profile: Profile, size: ModelSize) -> float:
    """What a training's weights, gradients and moments take of each of its GPUs, in bytes.

    Processes hold the model whole, each on its GPU, unless the launcher's command has FSDP divide it; the reference is
    whole even then, until its log-probabilities are computed.
    """
    trained = FROZEN_BYTES if profile.dpo.lora_rank else TRAINING_BYTES
    if "fsdp" in (profile.launcher.command or "").lower():
        return size.parameters * max(trained / profile.cost.gpus, STORED_BYTES)
    before = STORED_BYTES + (FROZEN_BYTES if profile.dpo.reference == "base" else 0)
    return size.parameters * max(trained, before)


def _stage(
    name: str,
    cost: CostConfig,
    size: ModelSize,
    requests: int,
    memory: float = 0.0,
    *,
    read: float = 0.0,
    written: float = 0.0,
    trained: float = 0.0,
    epochs: int = 1,
    training: int = TRAINED,
    disk: float = 0.0,
) -> Stage:
    seconds = (
        READ_OR_WRITTEN * read / cost.reading_utilisation
        + READ_OR_WRITTEN * written / cost.writing_utilisation
        + REFERENCE * trained / cost.reading_utilisation
        + training * trained * epochs / cost.training_utilisation
    ) * (size.parameters / (cost.gpu_tflops * 1e12))
    return Stage(name, requests, read, written, trained * epochs, seconds / 3600, memory, disk)
