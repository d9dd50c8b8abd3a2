"""What the prefix-shared trainer can't compute is refused by name, before anything is computed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from trl import DPOConfig

from llm_auction.generation.checkpoint import load_model, load_tokenizer
from llm_auction.irpo.dpo import PrefixSharedDPOTrainer

ROWS: list[dict[str, Any]] = [
    {"prompt_ids": [5, 6, 7], "answers": [[8, 9], [10], [11, 12]], "counts": [1, 1, 3]},
    {"prompt_ids": [5, 7], "answers": [[8], [9]], "counts": [1, 1]},
]


def _begin(
    model_dir: Path, folder: Path, rows: list[dict[str, Any]] = ROWS, model: Any = None, **changes: Any
) -> PrefixSharedDPOTrainer:
    """A trainer with TRL's own defaults but for `changes`."""
    config = DPOConfig(output_dir=str(folder), use_cpu=True, bf16=False, report_to=[], **changes)
    model = load_model(model_dir) if model is None else model
    return PrefixSharedDPOTrainer(model, config, Dataset.from_list(rows), load_tokenizer(model_dir))


def test_trl_s_defaults_are_taken_and_rows_never_cut(model_dir: Path, tmp_path: Path) -> None:
    long = {"prompt_ids": [5] * 1500, "answers": [[8, 9], [10]], "counts": [1, 1]}
    trainer = _begin(model_dir, tmp_path, [long])
    assert len(trainer.train_dataset[0]["prompt_ids"]) == 1500


def test_model_of_another_attention_is_refused(model_dir: Path, tmp_path: Path) -> None:
    model = load_model(model_dir)
    model.config.layer_types = ["sliding_attention", "full_attention"]
    with pytest.raises(ValueError, match="prefix-shared DPO can't compute"):
        _begin(model_dir, tmp_path, model=model)


@pytest.mark.parametrize(
    ("option", "value"),
    [("loss_type", ["ipo"]), ("label_smoothing", 0.1), ("sync_ref_model", True), ("max_length", 512)],
)
def test_an_option_without_effect_is_refused(model_dir: Path, tmp_path: Path, option: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"would have no effect: {option}="):
        _begin(model_dir, tmp_path, **{option: value})


@pytest.mark.parametrize("value", [None, 1024])
def test_a_length_that_is_nobodys_choice_is_not(model_dir: Path, tmp_path: Path, value: int | None) -> None:
    assert _begin(model_dir, tmp_path, max_length=value).args.max_length is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt_ids": []}, "row 1 of train_dataset: prompt_ids is empty"),
        ({"answers": [[5], []]}, "row 1 of train_dataset: answer 1 is empty"),
        ({"answers": [[5]], "counts": [1]}, "a winner with at least one loser"),
        ({"counts": [1]}, "counts must hold"),
        ({"counts": [1, 0]}, "counts must hold"),
    ],
)
def test_a_row_that_cannot_be_computed_is_named(
    model_dir: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        _begin(model_dir, tmp_path, [ROWS[0], ROWS[1] | change])
