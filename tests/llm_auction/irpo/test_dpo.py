"""The prefix-shared trainer computes TRL's own DPO loss and gradients, once for each prompt and answer."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import DPOConfig, DPOTrainer

from llm_auction.generation.checkpoint import load_model, load_tokenizer
from llm_auction.generation.packed import micro_batches, split_further
from llm_auction.generation.tree_attention import SplitTreeAttention
from llm_auction.irpo.dpo import PrefixSharedDPOTrainer, Row, collate

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    rng = np.random.default_rng(0)

    def tokens(length: int) -> list[int]:
        return rng.integers(3, 300, length).tolist()

    return [
        {"prompt_ids": tokens(30), "answers": [tokens(20), tokens(12), tokens(25)], "counts": [1, 1, 3]},
        {"prompt_ids": tokens(11), "answers": [tokens(9), tokens(14)], "counts": [1, 1]},
        {"prompt_ids": tokens(19), "answers": [tokens(5), tokens(1), tokens(7)], "counts": [1, 2, 1]},
    ]


def _config(folder: Path, batch: int, **changes: Any) -> DPOConfig:
    logging.getLogger("trl").setLevel(logging.ERROR)
    return DPOConfig(
        output_dir=str(folder),
        beta=0.3,
        per_device_train_batch_size=batch,
        use_cpu=True,
        activation_checkpointing=False,
        gradient_checkpointing=None,
        report_to=[],
        disable_tqdm=True,
        max_length=None,
        logging_steps=1,
        **{"bf16": False, **changes},
    )


def _moved(model: Any) -> None:
    """Move the policy away from the reference, so that log-ratios are not zero."""
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(index))
            parameter.add_(0.02 * noise)


def _ours(model_dir: Path, folder: Path, rows: Rows, **options: Any) -> PrefixSharedDPOTrainer:
    trainer = PrefixSharedDPOTrainer(
        load_model(model_dir), _config(folder, len(rows)), Dataset.from_list(rows), load_tokenizer(model_dir), **options
    )
    _moved(trainer.model)
    return trainer


class _Norms(TrainerCallback):
    """Keeps the gradient norm of every step."""

    def __init__(self, norms: list[float]) -> None:
        self._norms = norms

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if logs and "grad_norm" in logs:
            self._norms.append(float(logs["grad_norm"]))


def _gradients(model: Any) -> list[torch.Tensor]:
    return [parameter.grad.clone() for parameter in model.parameters()]


def _step(trainer: PrefixSharedDPOTrainer) -> tuple[float, list[torch.Tensor]]:
    trainer.model.zero_grad()
    loss = trainer.training_step(trainer.model, next(iter(trainer.get_train_dataloader())))
    return loss.item(), _gradients(trainer.model)


def _trl_trainer(model_dir: Path, folder: Path, rows: Rows, **changes: Any) -> DPOTrainer:
    """TRL's own trainer, with every (winner, loser) pair of the rows in a batch."""
    pairs = [
        {"prompt_ids": row["prompt_ids"], "chosen_ids": row["answers"][0], "rejected_ids": loser}
        for row in rows
        for loser, count in zip(row["answers"][1:], row["counts"][1:], strict=True)
        for _ in range(count)
    ]

    class Tokenized(DPOTrainer):
        def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
            return dataset

    return Tokenized(
        load_model(model_dir),
        None if changes else load_model(model_dir),
        args=_config(folder, len(pairs), **changes),
        train_dataset=Dataset.from_list(pairs),
        processing_class=load_tokenizer(model_dir),
    )


def _loss_sum(trainer: DPOTrainer) -> torch.Tensor:
    """TRL averages over pairs, ours sums over a prompt's losers and averages over prompts: here both are sums."""
    batch = next(iter(trainer.get_train_dataloader()))
    return trainer.compute_loss(trainer.model.train(), batch) * len(trainer.train_dataset)


def test_loss_and_gradients_equal_trl(model_dir: Path, tmp_path: Path, rows: Rows) -> None:
    loss, gradients = _step(_ours(model_dir, tmp_path, rows))
    trl = _trl_trainer(model_dir, tmp_path, rows)
    _moved(trl.model)
    expected = _loss_sum(trl)
    expected.backward()
    assert loss * len(rows) == pytest.approx(expected.item(), rel=1e-5)
    for ours, other in zip(gradients, _gradients(trl.model), strict=True):
        assert (ours * len(rows) - other).norm() <= 2e-5 * other.norm()


def test_loss_and_gradients_in_bfloat16_are_as_near_as_bfloat16_allows(
    model_dir: Path, tmp_path: Path, rows: Rows
) -> None:
    """No further from float32 than twice what TRL's own passes, a pair each, are in bfloat16."""
    exact_loss, exact = _step(_ours(model_dir, tmp_path, rows))

    def distances(loss: float, gradients: list[torch.Tensor]) -> np.ndarray:
        off = sum((one - other).norm() ** 2 for one, other in zip(gradients, exact, strict=True)) ** 0.5
        return np.array([abs(loss - exact_loss), off])

    dataset, config = Dataset.from_list(rows), _config(tmp_path, len(rows), bf16=True)
    ours = PrefixSharedDPOTrainer(load_model(model_dir), config, dataset, load_tokenizer(model_dir))
    trl = _trl_trainer(model_dir, tmp_path, rows, precompute_ref_log_probs=True, bf16=True)
    for trainer in (ours, trl):
        _moved(trainer.model)
        trainer.accelerator.prepare_model(trainer.model)  # as `train` does: its passes are in bfloat16 from here
    packed = distances(*_step(ours))
    loss = _loss_sum(trl) / len(rows)
    loss.backward()
    apart = distances(loss.item(), _gradients(trl.model))
    assert (packed <= 2 * apart).all()
    assert (packed > 0).all()  # it was bfloat16


def test_fifty_steps_have_the_losses_of_trl(model_dir: Path, tmp_path: Path, rows: Rows) -> None:
    def losses(trainer: DPOTrainer) -> list[float]:
        optimizer = torch.optim.AdamW(trainer.model.parameters(), lr=1e-4)
        curve = []
        for _ in range(50):
            optimizer.zero_grad()
            loss = _loss_sum(trainer)
            loss.backward()
            optimizer.step()
            curve.append(loss.item())
        return curve

    ours = PrefixSharedDPOTrainer(
        load_model(model_dir), _config(tmp_path, len(rows)), Dataset.from_list(rows), load_tokenizer(model_dir)
    )
    theirs = losses(_trl_trainer(model_dir, tmp_path, rows, precompute_ref_log_probs=True))
    assert theirs[-1] < 0.5 * theirs[0]
    assert losses(ours) == pytest.approx(theirs, rel=1e-4)


def test_micro_batches_change_nothing(model_dir: Path, tmp_path: Path, rows: Rows) -> None:
    whole = _step(_ours(model_dir, tmp_path, rows, sft_weight=0.7))
    split = _step(_ours(model_dir, tmp_path, rows, sft_weight=0.7, micro_batch_tokens=1))
    assert split[0] == pytest.approx(whole[0], rel=1e-6)
    for ours, other in zip(split[1], whole[1], strict=True):
        torch.testing.assert_close(ours, other, rtol=1e-4, atol=1e-6 * other.norm().item())


def test_recomputed_activations_change_nothing(model_dir: Path, tmp_path: Path, rows: Rows) -> None:
    loss, gradients = _step(_ours(model_dir, tmp_path, rows))
    trainer = _ours(model_dir, tmp_path, rows)
    trainer.model.activation_checkpointing_enable()
    attended = []
    with pytest.MonkeyPatch.context() as patch:
        plain = SplitTreeAttention.attend
        patch.setattr(SplitTreeAttention, "attend", lambda *args: (attended.append(args[1]), plain(*args))[1])
        again, recomputed = _step(trainer)
    assert sorted(attended) == [0, 0, 1, 1]  # each layer twice, over the packed sequence, never a pair apart
    assert again == pytest.approx(loss, rel=1e-6)
    for ours, other in zip(recomputed, gradients, strict=True):
        assert (ours - other).norm() <= 1e-5 * other.norm()


def test_a_row_that_only_fills_a_batch_changes_nothing(model_dir: Path, tmp_path: Path, rows: Rows) -> None:
    trainer = _ours(model_dir, tmp_path, rows, sft_weight=0.7)
    first, second, third = next(iter(trainer.get_train_dataloader()))["rows"]
    figures = []
    for batch in ((first, second), (first, second, replace(third, counts=[0] * len(third.counts)))):
        trainer.model.zero_grad()
        trainer._metrics["train"].clear()
        loss = trainer.training_step(trainer.model, {"rows": batch}, num_items_in_batch=2)
        logged = [values[0] for values in trainer._metrics["train"].values()]
        figures.append([loss, *_gradients(trainer.model), *map(torch.tensor, logged)])
    for alone, filled in zip(*figures, strict=True):
        torch.testing.assert_close(filled, alone, rtol=1e-4, atol=1e-6 * alone.norm().item())


def test_order_and_merging_of_losers_change_nothing(model_dir: Path, tmp_path: Path, rows: Rows) -> None:
    spread = []
    for row in reversed(rows):
        losers = [loser for loser, n in zip(row["answers"][1:], row["counts"][1:], strict=True) for _ in range(n)]
        answers = [row["answers"][0], *reversed(losers)]
        spread.append({"prompt_ids": row["prompt_ids"], "answers": answers, "counts": [1] * len(answers)})
    merged = _step(_ours(model_dir, tmp_path, rows))
    other = _step(_ours(model_dir, tmp_path, spread))
    assert other[0] == pytest.approx(merged[0], rel=1e-6)
    for ours, theirs in zip(merged[1], other[1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6 * theirs.norm().item())


def test_sft_term_is_the_winners_nll_per_token(model_dir: Path, tmp_path: Path, rows: Rows) -> None:
    without = _ours(model_dir, tmp_path, rows)
    loss, _ = _step(without)
    nll = without._metrics["train"]["winner_nll"][0]
    assert _step(_ours(model_dir, tmp_path, rows, sft_weight=2.0))[0] == pytest.approx(loss + 2.0 * nll, rel=1e-5)


def test_reference_is_the_start_not_what_the_name_says(model_dir: Path, tmp_path: Path, rows: Rows) -> None:
    model = load_model(model_dir)
    _moved(model)  # a policy that differs from the weights under its `name_or_path`
    trainer = PrefixSharedDPOTrainer(
        model, _config(tmp_path, len(rows)), Dataset.from_list(rows), load_tokenizer(model_dir)
    )
    pairs = sum(sum(row["counts"][1:]) for row in rows)
    loss = trainer.compute_loss(trainer.model.train(), next(iter(trainer.get_train_dataloader())))
    assert loss.item() == pytest.approx(pairs / len(rows) * np.log(2), rel=1e-5)
    figures = {name: values[0] for name, values in trainer._metrics["train"].items()}
    assert figures["kl"] == pytest.approx(0, abs=1e-6)
    assert figures["margin"] == pytest.approx(0, abs=1e-5)


def test_accumulated_batches_learn_what_one_batch_would(model_dir: Path, tmp_path: Path, rows: Rows) -> None:
    """Two batches of one prompt are one step of two prompts."""

    def trained(batch: int, accumulated: int) -> list[torch.Tensor]:
        options = {"gradient_accumulation_steps": accumulated, "num_train_epochs": 1, "learning_rate": 1e-3}
        config = _config(tmp_path / f"{batch}x{accumulated}", batch, save_strategy="no", **options)
        dataset, tokenizer = Dataset.from_list(rows[:2]), load_tokenizer(model_dir)
        trainer = PrefixSharedDPOTrainer(load_model(model_dir), config, dataset, tokenizer, sft_weight=1.0)
        norms: list[float] = []
        trainer.add_callback(_Norms(norms))
        trainer.train()
        assert trainer.state.global_step == 1
        return [*norms, *(parameter.detach().clone() for parameter in trainer.model.parameters())]

    whole, parts = trained(2, 1), trained(1, 2)
    assert parts[0] == pytest.approx(whole[0], rel=1e-4)
    for one, other in zip(whole[1:], parts[1:], strict=True):
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-6)


def test_several_gpus_in_sight_of_one_process_change_nothing(model_dir: Path, tmp_path: Path, rows: Rows) -> None:
    config = _config(tmp_path, 1, num_train_epochs=1, save_strategy="no")
    config._n_gpu = 2  # as Transformers sets it where it sees two and no launcher has divided them
    trainer = PrefixSharedDPOTrainer(load_model(model_dir), config, Dataset.from_list(rows), load_tokenizer(model_dir))
    trainer.train()
    assert trainer.state.global_step == len(rows)  # steps of one prompt still
    assert not isinstance(trainer.model_wrapped, torch.nn.DataParallel)


def test_flex_attention_is_refused_on_a_cpu(model_dir: Path, tmp_path: Path, rows: Rows) -> None:
    with pytest.raises(ValueError, match=r"dpo\.attention is flex.*on a GPU only"):
        _ours(model_dir, tmp_path, rows, attention="flex")


def test_micro_batches_respect_the_budget() -> None:
    rows = [Row([1] * 10, [[1] * size], [1], []) for size in (5, 5, 40, 1)]
    assert [len(batch) for batch in micro_batches(rows, 30)] == [2, 1, 1]
    assert [len(batch) for batch in micro_batches(rows, 1000)] == [4]
    assert collate([{"prompt_ids": [1], "answers": [[2]], "counts": [1]}])["rows"][0].tokens == 2


def test_processes_agree_on_a_number_of_passes_without_losing_a_row() -> None:
    batches = [[Row([1], [[number]], [1], []) for number in group] for group in ([1, 2, 3, 4, 5], [6], [7, 8])]
    rows = [row for batch in batches for row in batch]
    for count in range(3, 9):
        split = split_further(batches, count)
        assert len(split) == count and all(split) and [row for batch in split for row in batch] == rows
    with pytest.raises(ValueError, match="8 rows in 3 batches can't be split into 9"):
        split_further(batches, 9)
