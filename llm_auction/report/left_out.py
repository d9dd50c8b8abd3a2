"""What the figures leave out and why, so that no reader has to find it out from a gap."""

from __future__ import annotations

from collections.abc import Iterator

from llm_auction.evaluation.outcomes import Contender
from llm_auction.report.property_records import property_figures
from llm_auction.report.study import Study
from llm_auction.report.wording import name_of


def left_out_notes(study: Study) -> Iterator[str]:
    """A sentence for everything that was measured in part of the seeds only, or with models of another run."""
    for run in study.runs:
        of_seed = f" of seed {run.seed}" if len(study.seeds) > 1 else ""
        for name, why in run.left_out.items():
            yield f"{name}{of_seed} is left out: {why}."
    if study.left_out:
        left_out = "; ".join(name_of(one) for one in study.left_out)
        yield f"Left out of the pooled figures because not every seed has it: {left_out}."
    for check, seeds in study.pooled.seeds.items():
        missing = [str(seed) for seed in study.seeds if seed not in seeds]
        if missing:
            yield (
                f"{check} was not measured under seed {', '.join(missing)}: its figures rest on seed "
                f"{', '.join(map(str, seeds))} alone."
            )
    for check, figures in _not_pooled(study).items():
        names = "; ".join(
            name_of(one) + (f" ({', '.join(metrics)})" if metrics else "") for one, metrics in figures.items()
        )
        yield f"Left out of the pooled figures of {check} because not every seed's check has it: {names}."


def _not_pooled(study: Study) -> dict[str, dict[Contender, list[str]]]:
    """By check, whose figures some seed has and the pooled ones lack: which of them, or none where all are lacking."""
    pooled = {(check, one, figure[0]) for check, one, figure in property_figures(study.pooled)}
    whole = {(check, one) for check, one, _ in pooled}
    found: dict[str, dict[Contender, list[str]]] = {}
    for own in study.properties.values():
        for check, one, (metric, *_) in property_figures(own):
            if (check, one, metric) in pooled:
                continue
            metrics = found.setdefault(check, {}).setdefault(one, [])
            if (check, one) in whole and metric not in metrics:
                metrics.append(metric)
    return found
