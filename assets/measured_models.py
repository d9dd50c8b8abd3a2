"""The models behind a table of the evaluation, kept with it, and what is therefore no part of a report.

A report is about one run: every arm's models as its own outcomes were measured with them. Bid curves of an Ad-LLM that
has been trained anew since, or MOSAIC on its candidates, would be figures of another model under the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from assets.lineage import lineage
from assets.mechanism_runs import MECHANISMS, TABLE
from assets.partitions import ARMS
from assets.properties import ARM_OF_PROPERTIES
from resources.lake import Lake
from resources.model_store import ModelStore

# "ad_llm/base", "ad_llm/<arm>/<iteration>" or "pctr/<arm>/<iteration>" -> version.
Models = Mapping[str, str]

BASE = "ad_llm/base"


@dataclass(frozen=True, slots=True)
class EvaluatedRun:
    """The `mechanisms` whose outcomes are of one run, its `models`, and why others are `left_out`, by mechanism."""

    mechanisms: tuple[str, ...]
    models: Models
    left_out: Mapping[str, str]


def models_behind(model_store: ModelStore, models: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The versions of the base model and of all that belongs together of some (kind, arm)."""
    base = {BASE: model_store.about("ad_llm", "base")[0]} if model_store.exists("ad_llm", "base") else {}
    return base | {
        f"{kind}/{arm}/{iteration}": version
        for kind, arm in models
        for iteration, version in lineage(model_store, kind, arm).versions.items()
    }


def evaluated_run(lake: Lake) -> EvaluatedRun:
    """The outcomes in a data directory that are of one run: those of the arms, and what was measured with their models.

    Tables that were written before models were kept have none, and pass.
    """
    there = [name for name in MECHANISMS if lake.exists(TABLE, {"mechanism": name})]
    known = {name: lake.models(TABLE, {"mechanism": name}) or {} for name in there}
    run: dict[str, str] = {}
    # Arms are trained from one base model; where they are not, it is that of the arm that the report is about.
    for name in sorted(there, key=lambda name: (name != ARM_OF_PROPERTIES, name not in ARMS)):
        run |= {pointer: version for pointer, version in known[name].items() if pointer.split("/")[1] == name}
        if BASE in known[name]:
            run.setdefault(BASE, known[name][BASE])
    others = {name: found for name in there if (found := of_another_run(known[name], run))}
    return EvaluatedRun(
        tuple(name for name in there if name not in others),
        run,
        {name: why_left_out(found, f"-m {name}") for name, found in others.items()},
    )


def of_another_run(models: Models, run: Models) -> list[str]:
    """What a table was measured with that is not the run's: arms, or "the base model".

    All iterations of an arm count, because a table about its newest one is about another where one was added. An arm
    that the run does not know says nothing.
    """
    kinds = dict.fromkeys(pointer.rpartition("/")[0] for pointer in models)
    differing = [kind for kind in kinds if _of(kind, run) and _of(kind, models) != _of(kind, run)]
    return list(dict.fromkeys(kind.partition("/")[2] or "the base model" for kind in differing))


def why_left_out(differing: Iterable[str], options: str) -> str:
    """What to say of a table of another run; `options` of `llm-auction evaluate` measure it again."""
    return (
        f"it was measured with other models ({', '.join(differing)}) than the evaluated ones; "
        f"`llm-auction evaluate {options}` measures it again"
    )


def _of(kind: str, models: Models) -> dict[str, str]:
    return {pointer: version for pointer, version in models.items() if pointer.rpartition("/")[0] == kind}
