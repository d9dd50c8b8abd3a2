"""What prefix-shared DPO can't do with the rows and options that it is given, said before anything is computed."""

from __future__ import annotations

from dataclasses import fields

from datasets import Dataset
from trl import DPOConfig

# What TRL's own loss, batches and reference would do, and ours don't.
OPTIONS_WITHOUT_EFFECT = (
    "loss_type",
    "loss_weights",
    "label_smoothing",
    "ld_alpha",
    "f_divergence_type",
    "use_weighting",
    "sync_ref_model",
    "padding_free",
    "router_aux_loss_coef",
    "activation_offloading",
    "max_length",  # beside TRL's default, which is nobody's choice
)


def refuse_unused_options(args: DPOConfig) -> None:
    """Raises ValueError for options of TRL that the prefix-shared loss does not know."""
    usual = {field.name: field.default for field in fields(DPOConfig)}
    usual["loss_type"] = ["sigmoid"]
    if args.max_length is None:
        usual["max_length"] = None  # rows are never cut
    asked = [name for name in OPTIONS_WITHOUT_EFFECT if getattr(args, name) != usual[name]]
    if asked:
        raise ValueError(
            "prefix-shared DPO has the sigmoid loss of one winner and its losers alone, over whole rows, so that these "
            "options of DPOConfig would have no effect: "
            + ", ".join(f"{name}={getattr(args, name)!r}" for name in asked)
        )


def refuse_unusable_rows(dataset: Dataset) -> None:
    """Raises ValueError that names the first row which can't be computed."""
    for number, row in enumerate(dataset.select_columns(["prompt_ids", "answers", "counts"])):
        answers, counts = row["answers"], row["counts"]
        if not row["prompt_ids"]:
            problem = "prompt_ids is empty"
        elif len(answers) < 2:
            problem = f"answers holds {len(answers)}, and a winner with at least one loser is needed"
        elif not all(answers):
            problem = f"answer {[bool(answer) for answer in answers].index(False)} is empty"
        elif len(counts) != len(answers) or min(counts) < 1:
            problem = f"counts must hold a number of at least 1 for each of the {len(answers)} answers, not {counts}"
        else:
            continue
        raise ValueError(f"row {number} of train_dataset: {problem}")
