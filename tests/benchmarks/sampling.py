"""Sampling against plain `generate`, with all answers to a prompt as `num_return_sequences`.

Once a prompt at a time, and once all prompts together, padded on the left: what reading every prompt once and dropping
finished answers are worth where the rows of a batch are as many on both sides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import product
from pathlib import Path

import numpy as np
import torch

from llm_auction.generation.checkpoint import load_model
from llm_auction.generation.protocol import Messages
from llm_auction.generation.transformers_engine import TransformersEngine
from llm_auction.profiles.schema import SamplingConfig
from tests.benchmarks.models import EMBEDDED
from tests.benchmarks.records import Record, device_name, seconds

PROMPTS, ANSWERS = 32, 10
SAMPLING = SamplingConfig(max_new_tokens=60)
# What a case's name ends with, how many prompts go into a call of `generate`, and that in words.
BASELINES = (("", 1, "generate, one prompt at a time"), ("-batched", PROMPTS, "generate, all prompts in one batch"))


def sampling_records(folder: Path, repeats: int, known: Collection[str]) -> Iterator[Record]:
    """Tokens a second: once with answers of one length, once with answers that end at uneven lengths; against either
    baseline."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model_dir = EMBEDDED.write(folder)
    engine = TransformersEngine(model_dir, device=device)
    plain = load_model(model_dir, device=device)
    rng = np.random.default_rng(0)
    words = "plan trip good way boots look bid title cooking music".split()
    prompts: list[Messages] = [
        [{"role": "user", "content": " ".join(rng.choice(words, int(size)))}]
        for size in rng.integers(120, 140, PROMPTS)
    ]
    encoded = engine.encode(prompts)
    length = round(float(np.mean([len(prompt) for prompt in encoded])))
    # Weights are random, so that any tokens can stand for the end: 1 in 30 ends about half of the answers early.
    uneven = list(range(2, engine.model.vocab_size, 30))
    lengths = (("", [engine.tokenizer.eos_token_id]), ("-uneven", uneven))
    for (name, ends), (suffix, together, baseline) in product(lengths, BASELINES):
        case = f"sampling/{length}x{SAMPLING.max_new_tokens}x{ANSWERS}{name}{suffix}"
        if case in known:
            continue
        engine._eos = torch.tensor(ends, device=device)
        value = against = 0.0
        for repeat in range(repeats):
            started = seconds()
            answers = engine.sample(prompts, ANSWERS, SAMPLING, seed=repeat)
            tokens = sum(len(answer.token_ids) for group in answers for answer in group)
            value = max(value, tokens / (seconds() - started))
            against = max(against, _generate(plain, encoded, ends, together))
        yield Record("sampling", case, value, "tokens/s", against, value / against, device_name(), None, baseline)


def _generate(model: torch.nn.Module, prompts: list[list[int]], ends: list[int], together: int) -> float:
    """Tokens a second of `generate` with so many prompts `together`; tokens after an answer's end don't count."""
    torch.manual_seed(0)
    tokens = 0
    started = seconds()
    for start in range(0, len(prompts), together):
        batch = prompts[start : start + together]
        width = max(map(len, batch))
        ids = torch.tensor([[0] * (width - len(prompt)) + prompt for prompt in batch], device=model.device)
        read = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in batch], device=model.device)
        output = model.generate(
            ids,
            attention_mask=read,
            do_sample=True,
            temperature=SAMPLING.temperature,
            top_p=SAMPLING.top_p,
            top_k=SAMPLING.top_k,
            max_new_tokens=SAMPLING.max_new_tokens,
            num_return_sequences=ANSWERS,
            eos_token_id=ends,
            pad_token_id=0,
        )[:, width:]
        ended = torch.isin(output, torch.tensor(ends, device=model.device))
        tokens += int((ended.cumsum(-1) - ended.long() == 0).sum())
    return tokens / (seconds() - started)
