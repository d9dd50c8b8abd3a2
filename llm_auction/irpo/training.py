"""One iteration's preference optimisation, from a model directory to a model directory; survives kill -9.

Nothing half-written is ever taken for a result: checkpoints count once their marker is there, and the output is
written aside and renamed. Started again with the same arguments, training goes on from the newest checkpoint and ends
with the very weights that an undisturbed run would have had.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llm_auction.generation.checkpoint import load_model, load_tokenizer
from llm_auction.generation.memory import out_of_memory_says
from llm_auction.generation.prompting import encode_prompts
from llm_auction.irpo.checkpoints import claim, only_training
from llm_auction.irpo.preference_pairs import PreferenceSet
from llm_auction.profiles.schema import DpoConfig

OnLog = Callable[[dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class DpoResult:
    """Where the tuned model lies, and the figures of its training (see `_metrics` for their names)."""

    model_dir: Path
    metrics: dict[str, float]


def train_dpo(
    start_dir: Path,
    sets: Sequence[PreferenceSet],
    config: DpoConfig,
    delta_th: float,
    output_dir: Path,
    seed: int,
    checkpoint_dir: Path,
    on_log: OnLog | None = None,
    reference_dir: Path | None = None,
) -> DpoResult:
    """Tune the model of `start_dir` on preference sets (Eq. 6).

    Args:
        start_dir: Hugging Face directory of the deployed Ad-LLM; it is only read.
        sets: the iteration's preference sets; those without a loser are skipped and counted.
        config: optimiser, schedule, guards.
        delta_th: least reward gap of a loser to the winner, in the currency of the bids.
        output_dir: made by this function; must not exist, or be empty.
        seed: of the order of the prompts.
        checkpoint_dir: state of an unfinished training; removed by the caller once the result is safe.
        reference_dir: Hugging Face directory of pi_ref; without it the start is the reference.
        on_log: called after every step with `step`, `steps`, `loss`, `kl`, `learning_rate` and more.

    Raises:
        ValueError: no set has a loser, the output exists, the reference that `config` asks for is not given, the
            number of processes doesn't divide `prompts_per_step`, another process trains in `checkpoint_dir`, the
            launcher asks for DeepSpeed or FSDP's first version, or the training diverged.
        MemoryError: the device ran out of memory; says what to lower.
        ModelDirectoryError: `start_dir` or `reference_dir` is not a usable model directory.
    """
    from llm_auction.irpo.sharding import whole_model

    started = time.perf_counter()
    usable = [row for row in sets if row.usable(delta_th)]
    if not usable:
        raise ValueError(
            f"none of the {len(sets)} preference sets has a loser that is more than delta_th = {delta_th} below its "
            "winner: sample more answers (preferences.answers_per_query) or lower preferences.delta_th"
        )
    if output_dir.exists() and any(output_dir.iterdir()):
        raise ValueError(f"output directory {output_dir} is not empty: remove it or choose another")
    if config.reference == "base" and reference_dir is None:
        raise ValueError("dpo.reference is base: name the pretrained model's directory as the reference")
    if config.prompts_per_step % (processes := _processes()):
        raise ValueError(
            f"dpo.prompts_per_step is {config.prompts_per_step}, which {processes} processes can't share equally: make "
            f"it a multiple of {processes}, or start another number of processes"
        )
    with only_training(checkpoint_dir):
        model = load_model(start_dir)
        tokenizer = load_tokenizer(start_dir)
        uses_cache = model.config.use_cache
        rows = _rows(usable, delta_th, tokenizer)
        with out_of_memory_says(
            f"training {sum(one.numel() for one in model.parameters()):,} parameters; lower dpo.micro_batch_tokens (it "
            f"is {config.micro_batch_tokens}), set dpo.activation_checkpointing, or train adapters (dpo.lora_rank)"
        ):
            trainer = _trainer(model, reference_dir, tokenizer, rows, config, seed, checkpoint_dir, on_log)
            sharded = trainer.is_fsdp_enabled  # whose checkpoints look different
            with trainer.accelerator.main_process_first():
                checkpoint = claim(checkpoint_dir, _fingerprint(start_dir, reference_dir, rows, config, seed, sharded))
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)

        tuned = whole_model(trainer.accelerator, trainer.model, lambda: _with_adapters(load_model(start_dir), config))
        if tuned is not None:  # in the main process
            if config.lora_rank:
                tuned = tuned.merge_and_unload()
            tuned.config.use_cache = uses_cache  # the trainer switches it off for itself
            _write(tuned, tokenizer, output_dir)
        trainer.accelerator.wait_for_everyone()
        metrics = _metrics(trainer.state, len(usable), len(sets) - len(usable), time.perf_counter() - started)
        return DpoResult(output_dir, metrics)


def _write(model: Any, tokenizer: Any, output_dir: Path) -> None:
    """A directory like any other, of adapters too: sampled, served and tuned further as such; whole or not there."""
    partial = output_dir.with_name(output_dir.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    partial.replace(output_dir)


def _processes() -> int:
    """How many processes share a step's prompts: torchrun sets it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def _rows(sets: Sequence[PreferenceSet], delta_th: float, tokenizer: Any) -> list[dict[str, Any]]:
    prompts = encode_prompts(tokenizer, [row.messages for row in sets])
    rows = []
    for prompt_ids, row in zip(prompts, sets, strict=True):
        answers, counts = row.contenders(delta_th)
        rows.append({"prompt_ids": prompt_ids, "answers": [list(answer) for answer in answers], "counts": counts})
    return rows


def _trainer(
    model: Any,
    reference_dir: Path | None,
    tokenizer: Any,
    rows: list[dict[str, Any]],
    config: DpoConfig,
    seed: int,
    checkpoint_dir: Path,
    on_log: OnLog | None,
) -> Any:
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback
    from trl import DPOConfig

    from llm_auction.irpo.callbacks import Progress, StopOnKl
    from llm_auction.irpo.dpo import PrefixSharedDPOTrainer

    steps = math.ceil(len(rows) / config.prompts_per_step) * config.epochs
    arguments = DPOConfig(
        output_dir=str(checkpoint_dir),
        beta=config.beta,
        learning_rate=config.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=math.ceil(config.warmup_share * steps),
        num_train_epochs=config.epochs,
        per_device_train_batch_size=config.prompts_per_step // _processes(),
        # On a GPU the other kind takes as much memory again as the weights while it steps.
        optim="adamw_torch_fused" if torch.cuda.is_available() else "adamw_torch",
        seed=seed % 2**32,  # Transformers seeds NumPy too, which takes 32 bits
        logging_steps=1,
        save_strategy="steps",
        save_steps=config.checkpoint_steps,
        save_total_limit=2,  # the one before survives until the newest is complete
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        activation_checkpointing=config.activation_checkpointing,
        gradient_checkpointing=None,  # the old name, which TRL sets
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=False,
        ddp_find_unused_parameters=False,
        report_to=[],
        disable_tqdm=True,
    )
    callbacks: list[Any] = [Progress(on_log)] if on_log else []
    if config.max_kl is not None:
        callbacks.append(StopOnKl(config.max_kl))
    torch.manual_seed(seed)  # of the adapters' first weights; the trainer seeds everything after them
    trainer = PrefixSharedDPOTrainer(
        model,
        arguments,
        Dataset.from_list(rows),
        tokenizer,
        reference=load_model(reference_dir) if reference_dir else None,  # held by nobody else: its memory is freed
        sft_weight=config.sft_weight,
        micro_batch_tokens=config.micro_batch_tokens,
        attention=config.attention,
        callbacks=callbacks,
        peft_config=_adapters(config),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _adapters(config: DpoConfig) -> Any | None:
    """The LoRA configuration; None where every weight is trained.

    Raises:
        ValueError: PEFT is not installed.
    """
    if not config.lora_rank:
        return None
    try:
        from peft import LoraConfig
    except ImportError:
        raise ValueError("dpo.lora_rank needs PEFT: pip install 'llm-auction[lora]'") from None
    return LoraConfig(
        r=config.lora_rank, lora_alpha=config.lora_alpha, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def _with_adapters(model: Any, config: DpoConfig) -> Any:
    """The model as it is trained: with the adapters of `config`, if it asks for any."""
    if not config.lora_rank:
        return model
    from peft import get_peft_model

    return get_peft_model(model, _adapters(config))


def _fingerprint(
    start_dir: Path,
    reference_dir: Path | None,
    rows: list[dict[str, Any]],
    config: DpoConfig,
    seed: int,
    sharded: bool,
) -> str:
    """Names the job: a checkpoint counts only for the same start, reference, data, configuration, seed and format."""
    digest = hashlib.blake2b(digest_size=16)
    for folder in [start_dir] if reference_dir is None else [start_dir, reference_dir]:
        for weights in sorted(folder.glob("*.safetensors")):
            with weights.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    digest.update(json.dumps([rows, config.model_dump(), seed, sharded]).encode())
    return digest.hexdigest()


def _metrics(state: Any, used: int, unused: int, seconds: float) -> dict[str, float]:
    """First and last steps of the log, and the counts of sets; rates are means over the last tenth of the steps."""
    history = [entry for entry in state.log_history if "kl" in entry]
    tail = history[-max(1, len(history) // 10) :]

    def late(name: str) -> float:
        return sum(entry[name] for entry in tail) / len(tail)

    return {
        "loss_first": history[0]["loss"],
        "loss_last": late("loss"),
        "winner_logprob_change": late("winner_logprob_change"),
        "loser_logprob_change": late("loser_logprob_change"),
        "winner_nll_first": history[0]["winner_nll"],
        "winner_nll_last": late("winner_nll"),
        "pair_accuracy": late("pair_accuracy"),
        "kl": late("kl"),
        "steps": float(state.global_step),
        "stopped_early": float(state.global_step < state.max_steps),
        "used_sets": float(used),
        "unused_sets": float(unused),
        "seconds": seconds,
    }
