"""One side of one DPO case in a process of its own.

    python -m tests.benchmarks.dpo_process step|curve ours|trl FOLDER SETTINGS

prints one JSON line; SETTINGS is JSON too, of a `Settings`. `step`: the seconds of the fastest of `number` + 1 steps,
the bytes of its peak above what the process held before, the operations that this side's way has to compute, the peak
of the device in operations a second (null where it isn't known), and for our side the largest relative deviation of an
answer's log-probability from a separate forward pass; the gradient of the summed loss goes to `FOLDER/SIDE.npy`, evenly
thinned where it is long. `curve`: the mean loss a pair in each of `number` steps of AdamW.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from llm_auction.generation.checkpoint import load_model, load_tokenizer
from llm_auction.irpo.dpo import PrefixSharedDPOTrainer
from tests.benchmarks.device_peak import peak_of
from tests.benchmarks.models import BenchModel
from tests.benchmarks.operations import operations, paired_work, shared_work
from tests.benchmarks.records import seconds

VOCABULARY = 1000
CURVE_BATCHES, CURVE_RATE = 10, 3e-4
GRADIENT_ENTRIES = 10_000_000  # at most, of those that are compared


@dataclass(frozen=True, slots=True)
class Settings:
    """What is measured: (prompt, answer, answers) of a case, prompts in a step, and repeats or steps."""

    model: BenchModel
    case: tuple[int, int, int]
    prompts: int
    number: int

    @classmethod
    def read(cls, text: str) -> Settings:
        values = json.loads(text)
        return cls(BenchModel(**values["model"]), tuple(values["case"]), values["prompts"], values["number"])

    @property
    def pairs_a_pass(self) -> int:
        """Of TRL's pairs, how many go through the model together: a power of two, so that all passes are alike."""
        prompt, answer, answers = self.case
        pairs = self.prompts * (answers - 1)
        if self.model.pass_tokens is None:
            return pairs
        fitting = max(1, self.model.pass_tokens // (2 * (prompt + answer)))
        return min(pairs, 2 ** (fitting.bit_length() - 1))


class TokenizedDPOTrainer(DPOTrainer):
    """TRL's trainer over pairs that are tokens already."""

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset


def sets(prompt: int, answer: int, answers: int, count: int) -> list[dict[str, Any]]:
    """`count` random prompts and their answers of exactly these lengths, the winner first."""
    rng = np.random.default_rng(0)

    def tokens(length: int) -> list[int]:
        return rng.integers(3, VOCABULARY, length).tolist()

    return [
        {"prompt_ids": tokens(prompt), "answers": [tokens(answer) for _ in range(answers)], "counts": [1] * answers}
        for _ in range(count)
    ]


def trainer_of(side: str, folder: Path, settings: Settings, rows: list[dict[str, Any]], batch: int) -> Any:
    """The trainer of one side, its reference computed; `batch` rows or pairs go through it at a time."""
    model_dir = settings.model.write(folder)
    model, tokenizer = load_model(model_dir), load_tokenizer(model_dir)
    pairs = [
        {"prompt_ids": row["prompt_ids"], "chosen_ids": row["answers"][0], "rejected_ids": loser}
        for row in rows
        for loser in row["answers"][1:]
    ]
    data, kind = (rows, PrefixSharedDPOTrainer) if side == "ours" else (pairs, TokenizedDPOTrainer)
    config = DPOConfig(
        output_dir=str(folder / side),
        per_device_train_batch_size=batch,
        precompute_ref_log_probs=True,
        max_length=None,
        bf16=settings.model.dtype == "bfloat16",
        activation_checkpointing=False,
        gradient_checkpointing=None,
        use_cpu=not torch.cuda.is_available(),
        report_to=[],
        disable_tqdm=True,
    )
    dataset = Dataset.from_list(data)
    trainer = kind(model=model, args=config, train_dataset=dataset, processing_class=tokenizer)
    # What `train` does, which we don't call.
    trainer.current_gradient_accumulation_steps = len(data) // batch
    trainer.accelerator.prepare_model(trainer.model)  # in place; its arithmetic is bfloat16's from here on, if any is
    return trainer


def held() -> int:
    """Bytes that the process (on a GPU: its tensors) holds now."""
    if torch.cuda.is_available():
        return torch.cuda.memory_allocated()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def peak() -> int:
    """Bytes that it held at most."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def logprob_deviation(model: Any, rows: list[dict[str, Any]], reference: list[list[float]]) -> float:
    """Largest relative deviation of an answer's log-probability from a separate, unpacked forward pass in float32."""
    deviations = []
    with torch.inference_mode():
        for row, logps in zip(rows, reference, strict=True):
            ours = torch.tensor(logps).split([len(answer) for answer in row["answers"]])
            for answer, values in zip(row["answers"], ours, strict=True):
                tokens = torch.tensor([[*row["prompt_ids"], *answer]], device=model.device)
                logits = model(tokens, logits_to_keep=len(answer) + 1).logits[0, :-1].log_softmax(-1)
                expected = logits.gather(1, torch.tensor(answer, device=model.device)[:, None]).sum().cpu()
                deviations.append(abs(values.sum() - expected) / abs(expected))
    return float(max(deviations))


def curve(side: str, folder: Path, settings: Settings) -> dict[str, list[float]]:
    """The loss of every step, over and over the same few batches, so that it falls."""
    answers = settings.case[-1]
    rows = sets(*settings.case, CURVE_BATCHES * settings.prompts)
    # Ours is a sum over a prompt's pairs, TRL's a mean over all: both are made means over pairs.
    size, scale = (settings.prompts, 1 / (answers - 1)) if side == "ours" else (settings.prompts * (answers - 1), 1.0)
    trainer = trainer_of(side, folder, settings, rows, size)
    trainer.current_gradient_accumulation_steps = 1  # every batch is a step
    batches = [
        trainer.data_collator(trainer.train_dataset.select(range(start, start + size)).to_list())
        for start in range(0, CURVE_BATCHES * size, size)
    ]
    optimizer = torch.optim.AdamW(trainer.model.parameters(), lr=CURVE_RATE, weight_decay=0.0)
    losses = []
    for step in range(settings.number):
        optimizer.zero_grad()
        batch = trainer._prepare_inputs(dict(batches[step % CURVE_BATCHES]))
        losses.append(float(trainer.training_step(trainer.model, batch)) * scale)
        for parameter in trainer.model.parameters():
            parameter.grad.mul_(scale)
        optimizer.step()
    return {"losses": losses}


def step(side: str, folder: Path, settings: Settings) -> dict[str, float | None]:
    """Measure one side of one case."""
    rows = sets(*settings.case, settings.prompts)
    trainer = trainer_of(side, folder, settings, rows, len(rows) if side == "ours" else settings.pairs_a_pass)
    batches = [trainer._prepare_inputs(batch) for batch in trainer.get_train_dataloader()]
    before, fastest = held(), float("inf")
    for _ in range(settings.number + 1):  # the first warms up
        trainer.model.zero_grad()
        started = seconds()
        for batch in batches:
            trainer.training_step(trainer.model, dict(batch))
        fastest = min(fastest, seconds() - started)
    work = (shared_work if side == "ours" else paired_work)(*settings.case)
    figures = {
        "seconds": fastest,
        "bytes": float(peak() - before),
        "operations": float(settings.prompts * operations(trainer.model, work)),
        "peak": peak_of(settings.model.dtype),
    }
    # Gradients of a sum over pairs, whichever mean the trainer takes. Losers pull only off the reference.
    pairs = settings.case[-1] - 1
    np.save(folder / f"{side}.npy", _gradient(trainer.model) * (len(rows) * (1 if side == "ours" else pairs)))
    if side == "ours":
        reference = trainer.train_dataset["ref_logps"]
        model = load_model(settings.model.write(folder), device=str(trainer.model.device))
        figures["logprob_deviation"] = logprob_deviation(model, rows, reference)
    return figures


def _gradient(model: Any) -> np.ndarray:
    entries = sum(parameter.numel() for parameter in model.parameters())
    every = -(-entries // GRADIENT_ENTRIES)
    return np.concatenate([parameter.grad.flatten()[::every].float().cpu() for parameter in model.parameters()])


if __name__ == "__main__":
    measure = {"step": step, "curve": curve}[sys.argv[1]]
    print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]), Settings.read(sys.argv[4]))))
