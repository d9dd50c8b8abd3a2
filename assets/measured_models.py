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


def evaluated_run(lake: Lake, model_store: ModelStore) -> EvaluatedRun:
    """The outcomes in a data directory that are of one run: those of the arms, and what was measured with their models.

    Tables that were written before models were kept have none, and pass. The models of today decide what is to be
    measured again where tables are of different ones.
    """
    there = [name for name in MECHANISMS if lake.exists(TABLE, {"mechanism": name})]
    known = {name: lake.models(TABLE, {"mechanism": name}) or {} for name in there}
    run: dict[str, str] = {}
    # Arms are trained from one base model; where they are not, it is that of the arm that the report is about.
    for name in sorted(there, key=lambda name: (name != ARM_OF_PROPERTIES, name not in ARMS)):
        run |= {pointer: version for pointer, version in known[name].items() if pointer.split("/")[1] == name}
        if BASE in known[name]:
            run.setdefault(BASE, known[name][BASE])
    reasons = {name: why_left_out(known[name], run, model_store, f"-m {name}") for name in there}
    left_out = {name: why for name, why in reasons.items() if why is not None}
    return EvaluatedRun(tuple(name for name in there if name not in left_out), run, left_out)


def of_another_run(models: Models, run: Models) -> list[str]:
    """What a table was measured with that is not the run's: arms, or "the base model".

    All iterations of an arm count, because a table about its newest one is about another where one was added. An arm
    that the run does not know says nothing.
    """
    return list(dict.fromkeys(_arm(kind) or "the base model" for kind in _differing(models, run)))


def why_left_out(models: Models, run: Models, model_store: ModelStore, options: str) -> str | None:
    """Why a table is no part of a run, and what brings both together; None where it is part of it.

    Which of the two is to be measured again is told by the models in the store. An iteration that has its reward model
    and not its Ad-LLM yet, for one, makes the arm's own outcomes the older ones: MOSAIC has the new reward model.

    Args:
        models: those that the table was measured with.
        run: those that the outcomes of the arms were measured with.
        model_store: the models of today.
        options: of `llm-auction evaluate`, measure the table again.
    """
    differing = _differing(models, run)
    if not differing:
        return None
    today = models_behind(model_store, [(kind.partition("/")[0], arm) for kind in differing if (arm := _arm(kind))])
    outdated = [kind for kind in differing if _of(kind, run) != _of(kind, today)]
    is_outdated = any(_of(kind, models) != _of(kind, today) for kind in differing)
    other = f"it was measured with other models ({', '.join(of_another_run(models, run))}) than the evaluated ones"
    if not outdated:
        return f"{other}; `llm-auction evaluate {options}` measures it again"
    if not all(map(_arm, outdated)):
        return f"{other}, and the base model is another one today; `llm-auction run` trains and evaluates on that"
    arms = " ".join(dict.fromkeys(f"-m {_arm(kind)}" for kind in outdated))
    if is_outdated:
        return f"{other}, and both are outdated; `llm-auction evaluate {arms} {options}` measures them again"
    return f"{other}, which are outdated; `llm-auction evaluate {arms}` measures those again"


def _differing(models: Models, run: Models) -> list[str]:
    """The kinds (`ad_llm/<arm>`, `pctr/<arm>`; `ad_llm` of the base model) that the run has other models of."""
    kinds = dict.fromkeys(pointer.rpartition("/")[0] for pointer in models)
    return [kind for kind in kinds if _of(kind, run) and _of(kind, models) != _of(kind, run)]


def _arm(kind: str) -> str:
    """The arm of a kind; empty for the base model."""
    return kind.partition("/")[2]


def _of(kind: str, models: Models) -> dict[str, str]:
    return {pointer: version for pointer, version in models.items() if pointer.rpartition("/")[0] == kind}
