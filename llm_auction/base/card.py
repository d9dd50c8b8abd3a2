"""The embedded model's card: what it was trained on, for how long, and what it can do, measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from llm_auction.base.acceptance import Acceptance, measure
from llm_auction.base.pretrain import PretrainConfig
from llm_auction.profiles.schema import SamplingConfig

CANDIDATES = (10, 40, 100)
_CARD = """---
license: apache-2.0
pipeline_tag: text-generation
---

# The embedded Ad-LLM

A Qwen3 model of {parameters:,} weights with a byte-level BPE tokenizer of {vocabulary:,} tokens, trained from scratch
on synthetic text by `llm-auction pretrain`. It stands in for a *pretrained* LLM where none can be downloaded: it writes
templated English, copies titles and ids of the ads in its prompt, and reads bids and categories without making much
of them. It knows nothing else; its chat template leaves the system message out.

## Training

{steps:,} steps of {documents} (seed {seed}), {tokens:,} tokens, final loss {loss:.3f} nats a token of the
completions. Every document has a random catalog of its own. Curriculum: {stages}. Muon {muon:g} on the hidden matrices,
AdamW {adamw:g} on the rest. Data: `llm_auction/base/corpus.py`, nothing from outside the project.

## What it can do

One answer to each of {prompts} prompts over unseen catalogs (temperature 0.7, top-p 0.8, top-k 20). *Valid*: of all
insertions it attempts, those that match a candidate to the letter. *Repeated*: those that name an ad again. *Lift*:
mean of the inserted ads minus mean of the candidates.

| candidates | titles | valid | repeated | ads an answer | bid lift | relevance lift |
| --- | --- | --- | --- | --- | --- | --- |
{rows}
"""


def write_card(directory: Path, config: PretrainConfig, prompts: int = 100) -> None:
    """Measure the model in `directory` and write its card beside it.

    Args:
        directory: a finished model of `pretrain`.
        config: how it was trained.
        prompts: prompts for each number of candidates and kind of titles.
    """
    from llm_auction.generation.transformers_engine import TransformersEngine

    trained = json.loads((directory / "checkpoint" / "state.json").read_text())
    engine = TransformersEngine(directory)
    sampling = SamplingConfig(max_new_tokens=256)
    figures = [
        measure(engine, candidates, foreign=foreign, prompts=prompts, seed=config.seed, sampling=sampling)
        for candidates in CANDIDATES
        for foreign in (False, True)
    ]
    stages = "; ".join(
        f"{stage.steps:,} steps *{stage.name}* with {min(stage.mix.candidates)}-{max(stage.mix.candidates)} candidates"
        for stage in config.stages
    )
    card = _CARD.format(
        parameters=engine.model.num_parameters(),
        vocabulary=engine.model.config.vocab_size,
        steps=config.steps,
        documents=f"{_range([stage.documents for stage in config.stages])} documents",
        seed=config.seed,
        tokens=trained["tokens"],
        loss=trained["loss"],
        stages=stages,
        muon=config.muon_learning_rate,
        adamw=config.adamw_learning_rate,
        prompts=prompts,
        rows=_rows(figures),
    )
    (directory / "README.md").write_text(card, encoding="utf-8")


def _range(numbers: Sequence[int]) -> str:
    return f"{min(numbers)} to {max(numbers)}" if len(set(numbers)) > 1 else str(numbers[0])


def _rows(figures: Sequence[Acceptance]) -> str:
    lines = []
    for figure in figures:
        values = asdict(figure) | {"titles": "like real feeds" if figure.foreign else "of the bundled world"}
        lines.append(
            "| {candidates} | {titles} | {valid_share:.1%} | {repeated_share:.1%} | {ads_per_answer:.2f} | "
            "{bid_lift:+.1f} | {relevance_lift:+.2f} |".format(**values)
        )
    return "\n".join(lines)
