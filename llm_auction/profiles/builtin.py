"""The built-in profiles: functions that return a complete configuration."""

from __future__ import annotations

from llm_auction.profiles.schema import (
    AblationsConfig,
    AdLlmConfig,
    CandidatesConfig,
    CostConfig,
    DpoConfig,
    EvaluationConfig,
    FeedbackConfig,
    LauncherConfig,
    PctrConfig,
    PopulationConfig,
    PreferenceConfig,
    Profile,
    PropertiesConfig,
    RewardConfig,
    SamplingConfig,
)


def smoke() -> Profile:
    """The whole loop in one to two minutes on two cores: proves that everything works, not that it learns much."""
    return Profile(
        name="smoke",
        iterations=2,
        population=PopulationConfig(profiles=20, queries_per_profile=3),
        feedback=FeedbackConfig(answers_per_query=3),
        preferences=PreferenceConfig(answers_per_query=4),
        dpo=DpoConfig(epochs=1),
        evaluation=EvaluationConfig(test_queries=10, answers_per_query=1, mosaic_candidates=6, bootstrap_resamples=500),
        properties=PropertiesConfig(
            bid_answers=4,
            continuity_step=9,
            continuity_answers=8,
            continuity_queries=2,
            continuity_query_answers=2,
            best_response_queries=2,
            best_response_rounds=2,
            best_response_answers=4,
        ),
        ablations=AblationsConfig(arms=("no_iteration", "no_penalty"), train_queries=24),
    )


def laptop() -> Profile:
    """The embedded default: the loop with the shipped tiny model, ten to fifteen minutes on two cores."""
    return Profile(
        name="laptop",
        population=PopulationConfig(profiles=120, queries_per_profile=5, test_share=0.5),
        candidates=CandidatesConfig(per_query=20),
        feedback=FeedbackConfig(answers_per_query=3),
        preferences=PreferenceConfig(answers_per_query=8),
        dpo=DpoConfig(learning_rate=3e-4, epochs=1),
        evaluation=EvaluationConfig(test_queries=300, answers_per_query=2, reserve_prices=(30.0, 60.0)),
        properties=PropertiesConfig(
            bid_queries=24,
            bid_answers=8,
            continuity_step=3,
            continuity_answers=64,
            continuity_queries=4,
            best_response_queries=4,
            best_response_rounds=2,
            best_response_answers=8,
            reserve_queries=40,
        ),
        ablations=AblationsConfig(train_queries=75),
    )


def paper() -> Profile:
    """The scale of arXiv 2512.10551, section 5.1: Qwen3-4B-Instruct on GPUs, 100 candidates in every prompt."""
    return Profile(
        name="paper",
        population=PopulationConfig(profiles=3000, queries_per_profile=5, test_share=0.2),
        candidates=CandidatesConfig(per_query=100, random_share=0.0),
        ad_llm=AdLlmConfig(base="Qwen/Qwen3-4B-Instruct-2507"),
        # The keys and values of 160 answers of 2,048 tokens would take 48 GB, beside those of their prompts.
        sampling=SamplingConfig(max_new_tokens=2048, rows_per_batch=48),
        feedback=FeedbackConfig(answers_per_query=10),
        pctr=PctrConfig(encoder="Qwen/Qwen3-Embedding-0.6B"),
        preferences=PreferenceConfig(answers_per_query=5),
        reward=RewardConfig(free_words=250),
        # 4 billion parameters and their optimiser take 72 GB: their activations would not fit beside them on 80 GB.
        dpo=DpoConfig(learning_rate=1e-6, epochs=1, prompts_per_step=64, sft_weight=0.0, activation_checkpointing=True),
        launcher=LauncherConfig(mode="subprocess"),
        evaluation=EvaluationConfig(test_queries=3000, answers_per_query=1),
        cost=CostConfig(cache_bytes=147_456),  # 36 layers, 8 heads of 128 for keys and as many for values
    )


BUILTIN = {function.__name__: function for function in (smoke, laptop, paper)}
