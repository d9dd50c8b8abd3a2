"""What a running loop shows: live lines on a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live

    from workflows.loop import LoopEvent

# Only stages of at least this weight tell the pace: the start of a process is most of a shorter one.
LEAST_WEIGHT = 0.1
# Figures of a finished stage that are worth a line: (asset, figure, label, format).
NOTES = (
    ("ad_responses", "format_error_rate", "format errors", "{:.1%}"),
    ("click_feedback", "click_through_rate", "CTR", "{:.1%}"),
    ("pctr_model", "after/auc", "pCTR AUC", "{:.3f}"),
    ("preference_pairs", "mean_reward", "mean reward", "{:.2f}"),
    ("mechanism_outcomes", "revenue_per_query", "revenue per query", "{:.2f}"),
)
QUIET_SECONDS = 20.0  # plain output says what is going on at least this often, where anything is
BAR_WIDTH = 24  # columns
PLAIN_WIDTH = 110  # columns of a table where there is no terminal to ask
LONGEST_MESSAGE = 80  # characters of a step's message in plain output
LONGEST_FAILURE = 300


def open_console() -> Console:
    """Standard output; wide enough for the results table where it goes to a file or a pipe.

    Who prints a path, or anything else of the user's, adds `markup=False`: Rich takes `[...]` in it for markup.
    """
    from rich.console import Console

    console = Console(emoji=False)  # a path that holds `:x:` keeps it
    return console if console.is_terminal else Console(width=max(console.width, PLAIN_WIDTH), emoji=False)


@dataclass
class _Running:
    since: float
    step: str = ""
    message: str = ""

    @property
    def doing(self) -> str:
        return f"{self.step}: {self.message}" if self.message else self.step


@dataclass
class LoopDisplay:
    """Follows the events of a loop; use it as a context manager and give it to `run_loop` as `on_event`."""

    console: Console
    started: float = field(default_factory=time.monotonic)
    _stages: dict[str, float] = field(default_factory=dict)  # name -> weight
    _running: dict[str, _Running] = field(default_factory=dict)
    _over: set[str] = field(default_factory=set)
    _took: dict[str, float] = field(default_factory=dict)
    _other_code: dict[str, Sequence[str]] = field(default_factory=dict)  # stage -> assets
    _last_line: float = field(default_factory=time.monotonic)
    _live: Live | None = None

    def __enter__(self) -> LoopDisplay:
        if self.console.is_terminal:
            from rich.live import Live

            self._live = Live(self, console=self.console, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
        if self._other_code:
            told = "; ".join(f"{stage} ({', '.join(assets)})" for stage, assets in self._other_code.items())
            self._say(f"kept although other code made it: {told}. The same command with --force does all of it again")

    def __call__(self, event: LoopEvent) -> None:
        """One event of the loop."""
        stage, fields = event.stage, event.fields
        match event.kind:
            case "planned":
                self._stages = dict(fields["stages"])
            case "started":
                self._running[stage] = _Running(time.monotonic())
                if self._live is None:
                    self._say(f"{stage}: started ({self._where()})")
            case "step_started":
                self._doing(stage, str(fields["step"]), "")
            case "progress":
                self._doing(stage, None, str(fields["message"]))
            case "check_failed":
                self._say(f"{stage}: check failed, {str(fields['severity']).lower()}: {fields['check']}")
            case "skipped":
                self._end(stage)
                self._say(f"{stage}: there already")
                if fields.get("other_code"):
                    self._other_code[stage] = fields["other_code"]
            case "done":
                self._end(stage)
                self._took[stage] = float(fields["seconds"])
                note = notes(fields.get("metrics", {}))
                self._say(f"{stage}: done in {duration(self._took[stage])}{f'; {note}' if note else ''}")
            case "failed":
                self._end(stage)
                self._say(f"{stage}: failed: {shortened(str(fields['message']), LONGEST_FAILURE)}")

    def remaining(self) -> float | None:
        """Seconds until the end at the pace so far; None before a stage that takes long was finished."""
        weights = self._stages
        measured = {stage: took for stage, took in self._took.items() if weights.get(stage, 0.0) >= LEAST_WEIGHT}
        if not measured:
            return None
        pace = sum(measured.values()) / sum(weights[stage] for stage in measured)
        left = 0.0
        for stage, weight in weights.items():
            if stage in self._running:
                left += max(0.0, pace * weight - (time.monotonic() - self._running[stage].since))
            elif stage not in self._over:
                left += pace * weight
        # Stages that run side by side now do so, on the whole, until the end.
        return left / max(1, len(self._running))

    def _doing(self, stage: str, step: str | None, message: str) -> None:
        running = self._running.setdefault(stage, _Running(time.monotonic()))
        running.step = running.step if step is None else step
        running.message = message.partition("\n")[0]
        if self._live is None and time.monotonic() - self._last_line > QUIET_SECONDS:
            self._say(f"{stage}: {shortened(running.doing, LONGEST_MESSAGE)} ({self._where()})")

    def _end(self, stage: str) -> None:
        self._running.pop(stage, None)
        self._over.add(stage)

    def _where(self) -> str:
        """How far the loop is: stages, time so far, time to go."""
        text = f"{len(self._over)} of {len(self._stages)} stages, {duration(time.monotonic() - self.started)}"
        remaining = self.remaining()
        return text if remaining is None else f"{text}, about {duration(remaining)} to go"

    def _say(self, text: str) -> None:
        self._last_line = time.monotonic()
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The live lines: one for each running stage, one for the whole, with a bar of what is over by weight."""
        from rich.columns import Columns
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        width = options.max_width
        for stage, running in self._running.items():
            seconds = duration(time.monotonic() - running.since)
            line = Text(f"  {stage}  ", style="cyan", no_wrap=True)
            line.append(f"{seconds}  ", style="dim").append(running.doing, style="none")
            line.truncate(width, overflow="ellipsis")
            yield line
        where = Text(self._where() if self._stages else "starting", style="bold", no_wrap=True)
        done = sum(weight for stage, weight in self._stages.items() if stage in self._over)
        yield Columns([ProgressBar(sum(self._stages.values()) or 1.0, done, width=BAR_WIDTH), where])


def shortened(text: str, length: int) -> str:
    """The text, cut with an ellipsis where it is longer."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def notes(metrics: Mapping[str, Mapping[str, float]]) -> str:
    """The figures of a finished stage in one line."""
    return ", ".join(
        f"{label} {form.format(metrics[asset][figure])}"
        for asset, figure, label, form in NOTES
        if figure in metrics.get(asset, {})
    )


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
