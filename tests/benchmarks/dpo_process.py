"""One side of one DPO case in a process of its own.

    python -m tests.benchmarks.dpo_process step|curve ours|trl FOLDER PROMPT ANSWER ANSWERS N

prints one JSON line. `step`: the seconds of the fastest of N + 1 steps, the bytes of its peak above what the process
held before, and for our side the largest relative deviation of an answer's log-probability from a separate forward
pass; the gradient of the summed loss goes to `FOLDER/SIDE.npy`. `curve`: the mean loss a pair in each of N steps of
AdamW.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from llm_auction.generation.checkpoint import load_model, load_tokenizer
from llm_auction.irpo.dpo import PrefixSharedDPOTrainer
from tests.benchmarks.records import seconds

# Prompts in a step by prompt length: about as many tokens each.
PROMPTS = {100: 8, 1000: 2, 3000: 1}
VOCABULARY = 1000
CURVE_BATCHES, CURVE_RATE = 10, 3e-4


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


def trainer_of(side: str, folder: Path, rows: list[dict[str, Any]]) -> Any:
    """The trainer of one side, its reference computed."""
    model, tokenizer = load_model(folder / "model"), load_tokenizer(folder / "model")
    pairs = [
        {"prompt_ids": row["prompt_ids"], "chosen_ids": row["answers"][0], "rejected_ids": loser}
        for row in rows
        for loser in row["answers"][1:]
    ]
    data, kind = (rows, PrefixSharedDPOTrainer) if side == "ours" else (pairs, TokenizedDPOTrainer)
    config = DPOConfig(
        output_dir=str(folder / side),
        per_device_train_batch_size=len(data),
        precompute_ref_log_probs=True,
        max_length=None,
        bf16=False,
        activation_checkpointing=False,
        gradient_checkpointing=None,
        use_cpu=not torch.cuda.is_available(),
        report_to=[],
        disable_tqdm=True,
    )
    dataset = Dataset.from_list(data)
    trainer = kind(model=model, args=config, train_dataset=dataset, processing_class=tokenizer)
    trainer.current_gradient_accumulation_steps = 1  # set by `train`, which we don't call
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


def logprob_deviation(folder: Path, rows: list[dict[str, Any]], reference: list[list[float]]) -> float:
    """Largest relative deviation of an answer's log-probability from a separate, unpacked forward pass."""
    model = load_model(folder / "model")
    deviations = []
    with torch.inference_mode():
        for row, logps in zip(rows, reference, strict=True):
            ours = torch.tensor(logps).split([len(answer) for answer in row["answers"]])
            for answer, values in zip(row["answers"], ours, strict=True):
                tokens = torch.tensor([[*row["prompt_ids"], *answer]])
                logits = model(tokens, logits_to_keep=len(answer) + 1).logits[0, :-1].log_softmax(-1)
                expected = logits.gather(1, torch.tensor(answer)[:, None]).sum()
                deviations.append(abs(values.sum() - expected) / abs(expected))
    return float(max(deviations))


def curve(side: str, folder: Path, prompt: int, answer: int, answers: int, steps: int) -> dict[str, list[float]]:
    """The loss of every step, over and over the same few batches, so that it falls."""
    rows = sets(prompt, answer, answers, CURVE_BATCHES * PROMPTS[prompt])
    trainer = trainer_of(side, folder, rows)
    # Ours is a sum over a prompt's pairs, TRL's a mean over all: both are made means over pairs.
    size, scale = (PROMPTS[prompt], 1 / (answers - 1)) if side == "ours" else (PROMPTS[prompt] * (answers - 1), 1.0)
    batches = [
        trainer.data_collator(trainer.train_dataset.select(range(start, start + size)).to_list())
        for start in range(0, CURVE_BATCHES * size, size)
    ]
    optimizer = torch.optim.AdamW(trainer.model.parameters(), lr=CURVE_RATE, weight_decay=0.0)
    losses = []
    for step in range(steps):
        optimizer.zero_grad()
        batch = trainer._prepare_inputs(dict(batches[step % CURVE_BATCHES]))
        losses.append(float(trainer.training_step(trainer.model, batch)) * scale)
        for parameter in trainer.model.parameters():
            parameter.grad.mul_(scale)
        optimizer.step()
    return {"losses": losses}


def step(side: str, folder: Path, prompt: int, answer: int, answers: int, repeats: int) -> dict[str, float]:
    """Measure one side of one case."""
    rows = sets(prompt, answer, answers, PROMPTS[prompt])
    trainer = trainer_of(side, folder, rows)
    batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    # Gradients of a sum over pairs, whichever mean the trainer takes. Losers pull only off the reference.
    scale = len(rows) * (1 if side == "ours" else answers - 1)
    before, fastest = held(), float("inf")
    for _ in range(repeats + 1):  # the first warms up
        trainer.model.zero_grad()
        started = seconds()
        trainer.training_step(trainer.model, dict(batch))
        fastest = min(fastest, seconds() - started)
    figures = {"seconds": fastest, "bytes": float(peak() - before)}
    gradient = torch.cat([parameter.grad.flatten() for parameter in trainer.model.parameters()]) * scale
    np.save(folder / f"{side}.npy", gradient.cpu().numpy())
    if side == "ours":
        figures["logprob_deviation"] = logprob_deviation(folder, rows, trainer.train_dataset["ref_logps"])
    return figures


if __name__ == "__main__":
    measure = {"step": step, "curve": curve}[sys.argv[1]]
    print(json.dumps(measure(sys.argv[2], Path(sys.argv[3]), *map(int, sys.argv[4:]))))
