"""The plan of a run: counts follow from the profile, hours from the counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_auction.planning import ModelSize, plan_run
from llm_auction.planning.size import size_of
from llm_auction.profiles import load_profile

FOUR_BILLION = ModelSize(4e9, "a test")


def test_counts_of_the_papers_experiment() -> None:
    profile = load_profile("paper", {"arms": "llm_auction", "cost.answer_tokens": "100"})
    plan = plan_run(profile, FOUR_BILLION, 1000.0)
    assert (plan.train_queries, plan.test_queries) == (12_000, 3_000)
    stages = {stage.name: stage for stage in plan.stages}
    feedback, pairs, training = stages["ad_responses"], stages["preference_pairs"], stages["ad_llm"]
    # Three iterations; a prompt is read once for all of its answers.
    assert feedback.requests == 3 * 12_000 * 10 and feedback.read == 3 * 12_000 * 1000.0
    assert pairs.written == 3 * 12_000 * 5 * 100.0
    assert training.trained == 3 * 12_000 * (1000 + 5 * 100)
    # Models, and the checkpoints and the result of one training before it is in the store.
    assert training.disk == 3 * 4e9 * 4 + 3 * 4e9 * 12 + 4e9 * 4
    assert stages["pretrained_ad_llm"].disk == 2 * 4e9 * 2  # in the hub's cache and in the store
    assert "click_feedback" not in stages and "user_queries" not in stages
    assert plan.cost == pytest.approx(plan.gpu_hours * profile.cost.gpu_hour_price)


@pytest.mark.parametrize(("recomputed", "operations"), [("false", 6), ("true", 8)])
def test_hours_are_operations_over_rates(recomputed: str, operations: int) -> None:
    changes = {"cost.gpu_tflops": "1", "cost.training_utilisation": "0.5", "dpo.epochs": "2"}
    profile = load_profile("paper", {**changes, "dpo.activation_checkpointing": recomputed})
    (training,) = [stage for stage in plan_run(profile, ModelSize(1e9, "a test"), 100.0).stages if stage.trained]
    tokens = training.trained / 2
    seconds = (2 * tokens / profile.cost.reading_utilisation + operations * 2 * tokens / 0.5) * 1e9 / 1e12
    assert training.gpu_hours == pytest.approx(seconds / 3600)


def test_a_served_checkpoint_is_read_again_and_an_llm_user_costs_too() -> None:
    plain = plan_run(load_profile("smoke"), FOUR_BILLION, 500.0)
    changes = {
        "engine.url": "http://h",
        "user.url": "http://h",
        "user.model": "m",
        "population.query_writer": "user_llm",
    }
    served = plan_run(load_profile("smoke", changes), FOUR_BILLION, 500.0)
    first = {stage.name: stage for stage in plain.stages}
    then = {stage.name: stage for stage in served.stages}
    answers = first["ad_responses"].written
    assert then["ad_responses"].read == 2 * first["ad_responses"].read + answers
    assert then["user_queries"].requests == 20
    assert then["click_feedback"].requests == first["ad_responses"].requests
    assert then["preference_pairs: oracle"].requests == first["preference_pairs"].requests / 2, "one of two arms"
    assert then["evaluation: clicks"].requests >= first["evaluation: one answer"].requests
    assert served.gpu_hours > plain.gpu_hours


def test_memory_counts_the_answers_under_way() -> None:
    size = ModelSize(1e9, "a test", cache_bytes=1000.0)
    changes = {"sampling.rows_per_batch": "20", "sampling.max_new_tokens": "100", "feedback.answers_per_query": "10"}

    def memory(name: str, **changed: str) -> float:
        plan = plan_run(load_profile("paper", changes | changed), size, 500.0)
        return {stage.name: stage for stage in plan.stages}[name].memory

    # Two prompts of 500 tokens, and twenty answers.
    assert memory("ad_responses") == 2e9 + 1000 * (2 * 500 + 20 * 100)
    assert memory("ad_responses", **{"engine.url": "http://h"}) == 2e9
    # float32 weights, gradients and moments, and the pass's copy in bfloat16; of adapters' base the first and the last.
    assert memory("ad_llm") == 18e9
    assert memory("ad_llm", **{"dpo.lora_rank": "16"}) == 6e9
    # Beside another model as the reference, until its log-probabilities are known.
    assert memory("ad_llm", **{"dpo.lora_rank": "16", "dpo.reference": "base"}) == 10e9
    assert memory("ad_llm", **{"dpo.reference": "base"}) == 18e9


def test_the_papers_settings_fit_one_gpu_and_160_answers_at_once_would_not() -> None:
    from workflows.cli.dry_run import memory_problems

    profile = load_profile("paper")
    size = ModelSize(4e9, "its name", cache_bytes=profile.cost.cache_bytes)
    assert not list(memory_problems(profile, plan_run(profile, size, 2752.0)))
    greedy = load_profile("paper", {"sampling.rows_per_batch": "320"})
    first, *_ = memory_problems(greedy, plan_run(greedy, size, 2752.0))
    assert "ad_responses takes" in first and "lower sampling.rows_per_batch" in first
    small = load_profile("paper", {"cost.gpu_memory": "40"})
    assert any("ad_llm" in problem for problem in memory_problems(small, plan_run(small, size, 2752.0)))


def test_gpus_share_the_memory_only_of_what_is_divided_among_them() -> None:
    from workflows.cli.dry_run import memory_problems

    def problems(**changes: str) -> str:
        profile = load_profile("paper", {"cost.gpus": "2", "cost.gpu_memory": "40"} | changes)
        size = ModelSize(4e9, "its name", cache_bytes=profile.cost.cache_bytes)
        return "\n".join(memory_problems(profile, plan_run(profile, size, 2752.0)))

    assert "ad_llm takes 72.0 GB of a GPU's memory" in problems()
    assert "evaluation: one answer takes 42.0 GB" in problems()
    assert "ad_llm" in problems(**{"launcher.processes": "2"})
    command = "accelerate launch --config_file docs/fsdp2.yaml --num_processes 2 {script}"
    divided = {"launcher.command": command, "sampling.rows_per_batch": "24"}
    assert not problems(**divided)
    assert not problems(**{"engine.url": "http://h", "launcher.command": command})


def test_the_size_of_a_model(tiny_model_dir: Path) -> None:
    from llm_auction.generation.checkpoint import load_model

    size = size_of("any", tiny_model_dir, None)
    assert size.parameters == sum(weight.numel() for weight in load_model(tiny_model_dir).parameters())
    assert size.context is not None
    config = load_model(tiny_model_dir).config
    assert size.cache_bytes == 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * 2
    assert size_of("any", tiny_model_dir, None, 5.0).cache_bytes == 5.0
    assert size_of("Qwen/Qwen3-4B-Instruct-2507", None, None).parameters == 4e9
    assert size_of("org/model-0.6B", None, None).parameters == 0.6e9
    assert size_of("org/model-4B", None, 7.5).parameters == 7.5e9
    with pytest.raises(ValueError, match=r"set cost\.parameters"):
        size_of("org/model-large", None, None)
