"""A short Markdown table of what was measured, for the metadata of an asset."""

from __future__ import annotations

from llm_auction.evaluation.efficiency import Comparison
from llm_auction.evaluation.metrics import METRICS, Metric

_NAMES = (
    "revenue_per_query",
    "reward_per_query",
    "clairvoyant_reward_share",
    "ads_per_answer",
    "ctr",
    "format_error_rate",
    "answer_words",
    "distinct_answer_share",
    "tokens_per_query",
)
_SHOWN = tuple(one for one in METRICS if one.name in _NAMES)


def summary_markdown(comparison: Comparison) -> str:
    """One row a contender, one column a metric; revenue and reward with their 95 % intervals."""
    lines = ["| | " + " | ".join(one.label for one in _SHOWN) + " |", "| --- |" + " ---: |" * len(_SHOWN)]
    for contender in comparison.contenders:
        cells = []
        for one in _SHOWN:
            figure = comparison.interval(contender, one.name)
            text = _text(figure.value, one)
            if one.name in ("revenue_per_query", "reward_per_query"):
                text += f" ({_text(figure.low, one)} to {_text(figure.high, one)})"
            cells.append(text)
        lines.append(f"| {contender.label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _text(value: float | None, one: Metric) -> str:
    if value is None:
        return ""
    return f"{100 * value:.1f} %" if one.unit == "%" else f"{value:.2f}"
