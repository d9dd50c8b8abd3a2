"""What watches a preference optimisation while it runs: progress for whoever asked, and the guard on drift."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from transformers import TrainerCallback

_WINDOW = 5  # steps over which the estimate is averaged: one step holds few answers


class Progress(TrainerCallback):
    """Hands every step's figures to a function, with `step` and `steps`."""

    def __init__(self, on_log: Callable[[dict[str, float]], None]) -> None:
        self._on_log = on_log

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if logs and "kl" in logs and state.is_world_process_zero:
            self._on_log({"step": state.global_step, "steps": state.max_steps, **logs})


class StopOnKl(TrainerCallback):
    """Ends the training once the mean estimate of KL(reference || policy) over recent steps exceeds `max_kl` nats."""

    def __init__(self, max_kl: float) -> None:
        self._max_kl = max_kl
        self._recent: deque[float] = deque(maxlen=_WINDOW)

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A resumed training remembers the steps before the interruption."""
        self._recent.extend(entry["kl"] for entry in state.log_history if "kl" in entry)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        if not logs or "kl" not in logs:
            return
        self._recent.append(logs["kl"])
        if len(self._recent) == _WINDOW and sum(self._recent) / _WINDOW > self._max_kl:
            control.should_training_stop = True
