"""How a preference optimisation is run: inside the step, or as processes of its own that report through Dagster Pipes.

The profile's section `launcher` says which. Inside the step is right for the embedded model. A process of its own frees
the GPU's memory when it ends, and several of them (torchrun, or a command of the user's) train one model together; only
rank 0 reports.
"""

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetExecutionContext,
    ConfigurableResource,
    PipesTempFileContextInjector,
    PipesTempFileMessageReader,
    ResourceDependency,
    open_pipes_session,
)

from llm_auction.profiles.schema import DpoConfig, LauncherConfig
from resources.gpu import release_gpu_memory
from resources.guarded import end_guarded, start_guarded
from resources.profile import ProfileResource

if TYPE_CHECKING:
    from llm_auction.irpo.preference_pairs import PreferenceSet


class TrainingFailed(RuntimeError):
    """A training process ended badly; the message is its own."""


def error_file(job: Path) -> Path:
    """Where a training process says why it failed: Pipes tells its exit code only."""
    return job.with_suffix(".error")


class TrainingLauncher(ConfigurableResource):
    """Runs `train_dpo`; where it runs changes nothing about its result."""

    profile: ResourceDependency[ProfileResource]

    def train(
        self,
        context: AssetExecutionContext,
        *,
        start_dir: Path,
        reference_dir: Path | None = None,
        sets: "Sequence[PreferenceSet]",
        config: DpoConfig,
        delta_th: float,
        output_dir: Path,
        seed: int,
        checkpoint_dir: Path,
        on_log: Callable[[Mapping[str, Any]], None],
    ) -> dict[str, Any]:
        """Tune the model of `start_dir` on `sets` into `output_dir`; returns the metrics of the training.

        The reference is the model of `reference_dir`, without it the one that the training starts from. Resumes from
        `checkpoint_dir` when an earlier attempt was cut short there. Every step is told to the run's log as it ends;
        `on_log` gets them all, from processes of their own when these have ended.

        Raises:
            TrainingFailed: a training in processes of its own ended badly; with its message.
            ValueError, MemoryError, ModelDirectoryError: one inside the step did, as in `train_dpo`.
        """
        how = self.profile.get().launcher
        release_gpu_memory()
        if how.mode == "inline":
            from llm_auction.irpo.training import train_dpo

            def tell(step: Mapping[str, Any]) -> None:
                context.log.info(step_line(step))
                on_log(step)

            result = train_dpo(start_dir, sets, config, delta_th, output_dir, seed, checkpoint_dir, tell, reference_dir)
            release_gpu_memory()
            return dict(result.metrics)
        from llm_auction.irpo.preference_pairs import write_sets

        checkpoint_dir.parent.mkdir(parents=True, exist_ok=True)
        job = checkpoint_dir.with_name(f"{checkpoint_dir.name}.job.json")
        pairs = job.with_suffix(".parquet")
        write_sets(pairs, sets)
        fields = {
            "start_dir": str(start_dir),
            "reference_dir": str(reference_dir) if reference_dir else None,
            "pairs": str(pairs),
            "config": config.model_dump(),
            "delta_th": delta_th,
            "output_dir": str(output_dir),
            "seed": seed,
            "checkpoint_dir": str(checkpoint_dir),
        }
        job.write_text(json.dumps(fields), encoding="utf-8")
        complaint = error_file(job)
        complaint.unlink(missing_ok=True)
        status, messages = run_through_pipes(context, training_command(how, job))
        if status:
            told = complaint.exists()
            said = complaint.read_text(encoding="utf-8") if told else f"exit status {status}; see the step's output"
            raise TrainingFailed(f"the training process failed: {said}")
        metrics: dict[str, Any] = {}
        for message in messages:
            if "step" in message:
                on_log(message["step"])
            metrics = message.get("metrics", metrics)
        return metrics


def run_through_pipes(context: AssetExecutionContext, command: Sequence[str]) -> tuple[int, Sequence[Any]]:
    """Run a command that reports through Dagster Pipes; its exit status and its custom messages.

    Unlike Dagster's own client, which leaves its process behind when the step is killed: the second training of a
    re-run would share the GPU and the folders with it.
    """
    with open_pipes_session(
        context=context,
        context_injector=PipesTempFileContextInjector(),
        message_reader=PipesTempFileMessageReader(),
    ) as session:
        process = start_guarded(command, {**os.environ, **session.get_bootstrap_env_vars()})
        try:
            status = process.wait()
        finally:
            end_guarded(process)
    return status, session.get_custom_messages()


def step_line(step: Mapping[str, Any]) -> str:
    """A step's figures for the log."""
    return "training " + ", ".join(f"{name} {value:.6g}" for name, value in step.items())


def training_command(how: LauncherConfig, job: Path) -> list[str]:
    """The command that starts the training processes of a job file."""
    script = ["-m", "resources.training_process", str(job)]
    if how.command is not None:
        filled = {"{python}": [sys.executable], "{script}": script}
        return [part for word in shlex.split(how.command) for part in filled.get(word, [word])]
    if how.processes == 1:
        return [sys.executable, *script]
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={how.processes}"]
    return [sys.executable, *torchrun, *script]
