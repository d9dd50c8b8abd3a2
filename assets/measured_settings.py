"""The settings that decide what a table of the evaluation means, kept with it, and the refusal to mix them.

A reward under one penalty says nothing beside a reward under another. What only makes an interval narrower (answers,
resamples, sizes of a check), what a mechanism is tuned by, and how anything is trained stay out: those may differ.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from llm_auction.profiles.schema import Profile, ServerConfig

# "section.field" -> value, as plain values of JSON.
Settings = Mapping[str, Any]

_SECTIONS = ("ad_llm", "sampling", "catalog", "population", "candidates", "user", "bidding", "reward")
_OF_THE_EVALUATION = ("evaluation.test_queries", "evaluation.reserve_price")
# Where a model is served, when bad input stops a run, how much is computed at a time, and what is only trained on or
# measured beside.
_WITHOUT_MEANING = {
    *(f"{section}.{field}" for section in ("user", "judge") for field in ServerConfig.transport()),
    "user.reasks",
    "judge.reasks",
    "user.max_missing_share",
    "catalog.max_rejected_share",
    "population.max_rejected_share",
    "population.train_queries",
    "candidates.relevance_labels",
    "sampling.rows_per_batch",
}


def measured_settings(profile: Profile, *own: str) -> dict[str, Any]:
    """The part of a profile that decides what the figures of an evaluation mean, by field, the seed included.

    `own` are sections that matter to this one table.
    """
    values = profile.model_dump(mode="json")
    fields = {f"{section}.{field}": value for section in (*_SECTIONS, *own) for field, value in values[section].items()}
    fields |= {f"evaluation.{field}": value for field, value in values["evaluation"].items()}
    kept = {
        name: value
        for name, value in fields.items()
        if name not in _WITHOUT_MEANING and (not name.startswith("evaluation.") or name in _OF_THE_EVALUATION)
    }
    return {"seed": profile.seed, **kept}


def common_settings(measured: Mapping[str, Settings | None], command: str) -> Settings:
    """The settings that all tables share; empty where none is known.

    A table that was written before settings were kept has none and passes, and so does a field that only some know.

    Args:
        measured: the settings of each table, by the options that measure it again (`-m mosaic`).
        command: what those options belong to (`llm-auction evaluate`).

    Raises:
        ValueError: some were measured under other settings than most; names them, the fields, and what to run.
    """
    known = {name: settings for name, settings in measured.items() if settings}
    usual: dict[str, Any] = {}
    for field in dict.fromkeys(field for settings in known.values() for field in settings):
        values = [settings[field] for settings in known.values() if field in settings]
        usual[field] = max(values, key=values.count)
    others = {name: changed for name in known if (changed := _changed(known[name], usual))}
    if others:
        alike = ", ".join(name for name in known if name not in others)
        told = "; ".join(f"{name} was measured with {_named(known[name], fields)}" for name, fields in others.items())
        differing = [field for field in usual if any(field in fields for fields in others.values())]
        assigned = " ".join(f"--set {shlex.quote(f'{field}={_text(usual[field])}')}" for field in differing)
        raise ValueError(
            f"{told}; {alike or 'most'} with {_named(usual, differing)}: a report sets no figures of different "
            f"settings side by side. Run `{command} {' '.join(others)} {assigned}`, or measure all of them again with "
            "the settings that you want"
        )
    return usual


def _changed(settings: Settings, usual: Settings) -> list[str]:
    return [field for field in settings if settings[field] != usual[field]]


def _named(settings: Settings, fields: list[str]) -> str:
    return ", ".join(f"{field}={_text(settings[field])}" for field in fields)


def _text(value: object) -> str:
    """A value as `--set` takes it."""
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value)
