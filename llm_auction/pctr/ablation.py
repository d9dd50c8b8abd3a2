"""What the reward model owes to the answer's text and to being fitted anew (ablations of arXiv 2512.10551).

Four models of the same feedback, judged on the same held-out users at every iteration: with or without the answer as
input, fitted once on the first iteration or refreshed at each. They differ in nothing else, so that the comparison
isn't one of policies, as between arms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from llm_auction.pctr.ablation_summary import FIGURES
from llm_auction.pctr.fit import evaluate_pctr, fit_pctr
from llm_auction.pctr.impressions import Impression
from llm_auction.pctr.model import PctrModel
from llm_auction.profiles.schema import PctrConfig

ABLATION_SCHEMA = {
    "iteration": pl.String(),
    "reads_answer": pl.Boolean(),
    "refreshed": pl.Boolean(),
    **dict.fromkeys(FIGURES, pl.Float64()),
    "n": pl.Int64(),
}


@dataclass(frozen=True, slots=True)
class IterationFeedback:
    """The impressions of one iteration with their clicks; `probabilities` are the users' own, None where not known."""

    iteration: str
    impressions: Sequence[Impression]
    clicked: np.ndarray
    probabilities: np.ndarray | None


def reward_model_ablation(
    feedback: Sequence[IterationFeedback],
    config: PctrConfig,
    seed: int,
    on_fit: Callable[[str], None] = lambda text: None,
) -> pl.DataFrame:
    """Fit and judge the four models; one row an iteration and model, columns as in `ABLATION_SCHEMA`.

    Args:
        feedback: by iteration, in loop order. Iteration t is judged on its own held-out users; a refreshed model is
            fitted on all feedback up to t, or on t's alone without `config.accumulate`.
        config: of every fit but for `answer_features`, which is what differs.
        seed: of the split into users and of every fit.
        on_fit: told in words before each fit.

    Raises:
        ValueError: no feedback, or an iteration whose feedback can't be fitted on.
    """
    if not feedback:
        raise ValueError("the ablation of the reward model needs the feedback of at least one iteration")
    rows = []
    for reads_answer in (True, False):
        first: PctrModel | None = None
        for number, newest in enumerate(feedback, start=1):
            used = feedback[:number] if config.accumulate else [newest]
            on_fit(f"pCTR {'with' if reads_answer else 'without'} the answer, up to iteration {newest.iteration}")
            impressions = [impression for part in used for impression in part.impressions]
            result = fit_pctr(
                impressions,
                np.concatenate([part.clicked for part in used]),
                config,
                seed,
                use_answer_features=reads_answer,
            )
            first = first or result.model
            # Test rows of the newest iteration, which stands last.
            judged = result.test[result.test >= len(impressions) - len(newest.impressions)]
            judged = judged - (len(impressions) - len(newest.impressions))
            for refreshed, model in ((False, first), (True, result.model)):
                figures = _judge(model, newest, judged)
                rows.append(
                    {"iteration": newest.iteration, "reads_answer": reads_answer, "refreshed": refreshed} | figures
                )
    return pl.DataFrame(rows, schema=ABLATION_SCHEMA)


def _judge(model: PctrModel, feedback: IterationFeedback, rows: np.ndarray) -> dict[str, float | int | None]:
    true = None if feedback.probabilities is None else feedback.probabilities[rows]
    found = evaluate_pctr(model, [feedback.impressions[row] for row in rows], feedback.clicked[rows], true)
    figures: dict[str, float | int | None] = {
        name: value if (value := found.get(name)) is not None and np.isfinite(value) else None for name in FIGURES
    }
    return {**figures, "n": len(rows)}
