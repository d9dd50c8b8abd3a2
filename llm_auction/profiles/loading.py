"""Loading a profile: a built-in one by name, with single fields overridden from outside.

The later wins: the built-in profile, a `.env` file in the working directory, environment variables, the mapping that
the caller passes (the launchpad, the command line). Nothing else is read.

    LLM_AUCTION_PROFILE=smoke
    LLM_AUCTION__DPO__LEARNING_RATE=5e-4      LLM_AUCTION__SEED=1      LLM_AUCTION__EVALUATION__MOSAIC_TAUS=1,10

Lists are written with commas or as JSON, mappings as JSON, an absent optional value as `none`. An empty variable
counts as not set.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

from dotenv import dotenv_values
from pydantic import BaseModel, ValidationError

from llm_auction.profiles.builtin import BUILTIN
from llm_auction.profiles.schema import Profile

PROFILE_VARIABLE = "LLM_AUCTION_PROFILE"
OVERRIDE_PREFIX = "LLM_AUCTION__"
DEFAULT_PROFILE = "laptop"


class ProfileError(ValueError):
    """A profile or one of its fields is wrong; the message names it and what is allowed."""


@dataclass(frozen=True, slots=True)
class _Override:
    field: str  # "dpo.learning_rate"
    value: object
    origin: str  # where it was set, for error messages


def load_profile(name: str | None = None, overrides: Mapping[str, object] | None = None) -> Profile:
    """The profile `name`, with its overrides applied and validated.

    Args:
        name: a built-in profile; None takes `default_profile()`.
        overrides: field -> value, such as {"dpo.learning_rate": "1e-3", "seed": "1"}; text is converted.

    Raises:
        ProfileError: unknown profile, unknown field or a value that is not allowed.
    """
    dotenv = _read_dotenv(Path.cwd() / ".env")
    chosen = name or default_profile()
    if chosen not in BUILTIN:
        raise ProfileError(f"unknown profile {chosen!r}: choose one of {', '.join(sorted(BUILTIN))}")
    values = BUILTIN[chosen]().model_dump()
    applied: dict[str, _Override] = {}
    for override in (
        *_from_variables(dotenv, "the .env file"),
        *_from_variables(os.environ, "the environment"),
        *(_Override(field, value, "the overrides") for field, value in (overrides or {}).items()),
    ):
        path = _set(values, override)
        applied[path] = override
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        raise ProfileError(_explain(chosen, error, applied)) from None


def default_profile() -> str:
    """The profile taken where none is named: LLM_AUCTION_PROFILE of the environment, then of `.env`, then `laptop`.

    Raises:
        ProfileError: `.env` can't be read.
    """
    dotenv = _read_dotenv(Path.cwd() / ".env")
    return os.environ.get(PROFILE_VARIABLE) or dotenv.get(PROFILE_VARIABLE) or DEFAULT_PROFILE


def _read_dotenv(path: Path) -> dict[str, str]:
    """The variables of a `.env` file; empty when there is none."""
    if not path.is_file():
        return {}
    try:
        return {key: value for key, value in dotenv_values(path, interpolate=False).items() if value}
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} can't be read as UTF-8 text: {error}") from error


def _from_variables(variables: Mapping[str, str], place: str) -> Iterator[_Override]:
    for variable in sorted(variables):
        if variable.startswith(OVERRIDE_PREFIX) and variables[variable]:
            field = variable.removeprefix(OVERRIDE_PREFIX).lower().replace("__", ".")
            yield _Override(field, variables[variable], f"{variable} in {place}")


def _set(values: dict[str, Any], override: _Override) -> str:
    """Write one override into the nested `values`; returns the field's path in the schema's spelling."""
    model: type[BaseModel] = Profile
    *sections, leaf = override.field.split(".")
    path: list[str] = []
    for section in sections:
        key = _known(model, section, path, override)
        annotation = model.model_fields[key].annotation
        path.append(key)
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            raise ProfileError(f"{'.'.join(path)} has no field {leaf!r}: it is a single value ({override.origin})")
        model, values = annotation, values[key]
    key = _known(model, leaf, path, override)
    annotation = model.model_fields[key].annotation
    path.append(key)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = ", ".join(f"{key}.{field}" for field in annotation.model_fields)
        raise ProfileError(f"{key} is a section ({override.origin}): set one of its fields, {fields}")
    if path == ["name"]:
        raise ProfileError(f"name can't be overridden ({override.origin}): choose a profile by {PROFILE_VARIABLE}")
    values[key] = _convert(override.value, annotation)
    return ".".join(path)


def _known(model: type[BaseModel], key: str, path: list[str], override: _Override) -> str:
    """The schema's spelling of a field; `lambda` stands for `lambda_`, which Python reserves."""
    for candidate in (key, f"{key}_"):
        if candidate in model.model_fields:
            return candidate
    near = get_close_matches(key, model.model_fields, n=1)
    hint = f"; did you mean {'.'.join([*path, near[0]])}?" if near else ""
    place = f"section {path[-1]}" if path else "a profile"
    raise ProfileError(
        f"unknown field {override.field!r} ({override.origin}): {place} has {', '.join(model.model_fields)}{hint}"
    )


def _convert(value: object, annotation: Any) -> object:
    """Text as the schema's validation wants it: JSON and comma lists read, `none` as None; the rest is left to it."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    # `Positive | None` is a typing.Union, `float | None` another type of union.
    if type(None) in get_args(annotation) and text.lower() in {"none", "null"}:
        return None
    container = get_origin(annotation)
    if container in {tuple, dict}:
        if text[:1] in {"[", "{"}:
            try:
                return json.loads(text)
            except json.JSONDecodeError:
                return text
        if container is tuple:
            return [item.strip() for item in text.split(",") if item.strip()]
    return text


def _explain(profile: str, error: ValidationError, applied: Mapping[str, _Override]) -> str:
    """One readable line for each wrong field: path, what is allowed, what was given and where."""
    lines = []
    for detail in error.errors(include_url=False):
        field = ".".join(str(part) for part in detail["loc"])
        origins = [
            override.origin
            for path, override in applied.items()
            if f"{field}.".startswith(f"{path}.") or path.startswith(f"{field}.")
        ]
        origin = f" (set by {', '.join(dict.fromkeys(origins))})" if origins else ""
        message = detail["msg"].removeprefix("Value error, ")
        given = "" if isinstance(detail["input"], dict) else f", got {detail['input']!r}"
        lines.append(f"{field}: {message}{given}{origin}")
    return f"profile {profile} is not valid: " + "; ".join(lines)
