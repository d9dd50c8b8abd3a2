"""DPO in which a row is ONE prompt with its winner and losers, as a subclass of TRL's `DPOTrainer` (1.16).

TRL computes every pair apart: with eight losers a prompt is computed sixteen times and the winner eight times. Here
the prompt is computed once and each distinct answer once (`llm_auction.generation.packed`); loss and gradients equal
TRL's own, summed over the pairs (arXiv 2512.10551, Eq. 6).

From TRL and Transformers come the optimiser, the schedule, checkpoints, logging and distributed training; replaced are
the rows, the reference log-probabilities and the loss.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object, is_peft_model
from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from llm_auction.generation.answer_scores import output_layer, token_log_probabilities
from llm_auction.generation.packed import PackedBatch, TreeAttentionName, micro_batches, pack, split_further
from llm_auction.generation.shared_prefix import require_shared_prefix, use_shared_prefix
from llm_auction.irpo.buckets import keep_gradients_in_buckets, put_gradients_in_buckets
from llm_auction.irpo.loss import PreferenceLoss, preference_loss
from llm_auction.irpo.refusals import refuse_unusable_rows, refuse_unused_options
from llm_auction.irpo.sharding import keep_float32, refuse_untried, will_shard

COMPLETE = "COMPLETE"  # written last into a checkpoint: without it, the process died while writing


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt: `answers[0]` is the winner, the others distinct losers; `counts` says how many each stands for.

    `ref_logps` are log ref of the answers' tokens, answer behind answer; empty before they are computed. A row that
    only fills a batch has counts of 0, and adds nothing to loss and figures.
    """

    prompt_ids: list[int]
    answers: list[list[int]]
    counts: list[int]
    ref_logps: list[float]

    @property
    def tokens(self) -> int:
        return len(self.prompt_ids) + sum(map(len, self.answers))


def collate(examples: Sequence[dict[str, Any]]) -> dict[str, tuple[Row, ...]]:
    """A batch of rows, as they are: packing happens in `micro_batches`."""
    return {"rows": tuple(Row(**{"ref_logps": [], **example}) for example in examples)}


class PrefixSharedDPOTrainer(DPOTrainer):
    """TRL's trainer over rows of one prompt and many answers.

    In float32 log-probabilities, loss and gradients are TRL's own to a relative 1e-5, summed over a prompt's pairs; in
    bfloat16 no further from float32 than twice the distance of unpacked passes in bfloat16. Prompts of a step are
    packed into as few forward passes as `micro_batch_tokens` allows; neither that, nor checkpointed activations, nor
    the chunks of the output layer change the gradients beyond rounding.

        trainer = PrefixSharedDPOTrainer(
            AutoModelForCausalLM.from_pretrained(name),
            DPOConfig(output_dir="out", beta=0.1, per_device_train_batch_size=16, bf16=torch.cuda.is_available()),
            Dataset.from_list([{"prompt_ids": [5, 8], "answers": [[7, 2], [9, 2]], "counts": [1, 3]}, ...]),
            AutoTokenizer.from_pretrained(name),
        )
        trainer.train()

    Args:
        model: a causal language model with plain causal attention.
        args: TRL's configuration; `beta`, batch size (prompts a step), accumulation, schedule and checkpoints are
            honoured; what would have no effect is refused.
        train_dataset: columns `prompt_ids`, `answers` (winner first), `counts`; see `Row`.
        processing_class: its tokenizer.
        reference: pi_ref; without it, `model` as it is at construction, without adapters.
        sft_weight: weight of the winner's negative log-likelihood per token; 0 switches it off.
        peft_config: trains adapters in place of the model's own weights.
        micro_batch_tokens: most tokens in one forward pass; bounds the memory, doesn't change the gradients.
        attention: "split" runs anywhere; "flex" is one FlexAttention kernel for all prompts and needs a GPU.

    Raises:
        ValueError: the model's attention can't share prefixes, a row is empty or lacks losers, an option of `args`
            would have no effect, there is no GPU for FlexAttention, or the launcher asks for DeepSpeed or for FSDP's
            first version.
    """

    def __init__(
        self,
        model: Any,
        args: DPOConfig,
        train_dataset: Dataset,
        processing_class: Any,
        *,
        reference: Any | None = None,
        sft_weight: float = 0.0,
        micro_batch_tokens: int = 4096,
        attention: TreeAttentionName = "split",
        callbacks: list[Any] | None = None,
        peft_config: Any | None = None,
    ) -> None:
        refuse_unused_options(args)
        refuse_unusable_rows(train_dataset)
        require_shared_prefix(model)
        use_shared_prefix(model)
        shards = will_shard(args)
        if reference is not None:
            use_shared_prefix(reference)
        elif shards:
            reference = copy.deepcopy(model)  # the model itself is not sharded before its training begins
        self._reference = reference
        self._head = output_layer(model)
        self._reference_head = self._head if reference is None else output_layer(reference)
        self._sft_weight = sft_weight
        if attention == "flex" and args.device.type == "cpu":
            raise ValueError(
                "dpo.attention is flex, which PyTorch can train with on a GPU only (it has no backward pass on a CPU): "
                "set dpo.attention to split"
            )
        self._micro_batch_tokens = micro_batch_tokens
        self._attention = attention
        # The reference is computed here: TRL would load it from `config._name_or_path`. Rows are never cut (TRL's
        # default cuts at 1,024 tokens), and every column of ours is used.
        args.precompute_ref_log_probs = True
        args.max_length = None
        args.remove_unused_columns = False
        if args.n_gpu > 1:
            # Where one process sees several GPUs, Transformers would multiply the batch and divide each pass among them
            # (DataParallel, which TRL refuses): a pass is one packed sequence, for one GPU, the first.
            args._n_gpu = 1
        super().__init__(
            model=model,
            ref_model=reference if shards else None,  # for TRL to shard
            args=args,
            data_collator=collate,
            train_dataset=train_dataset,
            processing_class=processing_class,
            callbacks=callbacks,
            peft_config=peft_config,
        )

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset  # token ids are already the model's own

    def _build_accelerator_args(self, **kwargs: Any) -> dict[str, Any]:
        arguments: dict[str, Any] = super()._build_accelerator_args(**kwargs)
        put_gradients_in_buckets(arguments["kwargs_handlers"])
        return arguments

    def create_accelerator_and_postprocess(self) -> None:
        super().create_accelerator_and_postprocess()
        refuse_untried(self.accelerator, will_shard(self.args))
        keep_float32(self.accelerator)

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        """log ref of every answer token, once, by the same packed forward pass as in training; shared by processes."""
        if len(set(gather_object([self._precompute_model_hash]))) > 1:
            raise ValueError(
                "the processes hold different references: with fsdp_cpu_ram_efficient_loading only the first "
                "process may have read its weights; set it to false"
            )
        rows = collate(dataset.to_list())["rows"]
        reference = self.model if self._reference is None else self._reference.eval()
        reference.to(self.accelerator.device)
        processes = self.accelerator.num_processes
        # As many for every process: the first rows are computed once more where they don't divide.
        share = [number * processes + self.accelerator.process_index for number in range(-(-len(rows) // processes))]
        share = [number % len(rows) for number in share]
        values: list[list[float]] = []
        # In the precision of the training, or the two would differ before the first step; FSDP casts by itself.
        precision = nullcontext() if self.is_fsdp_enabled else self.accelerator.autocast()
        adapters_off = reference.disable_adapter() if is_peft_model(reference) else nullcontext()
        with torch.no_grad(), precision, adapters_off:
            for batch in self._micro_batches([rows[number] for number in share]):
                logprobs_N = token_log_probabilities(reference, self._pack(batch), self._reference_head)
                values += [part.tolist() for part in logprobs_N.split([sum(map(len, row.answers)) for row in batch])]
        self._reference = self.ref_model = None  # its memory is the training's
        scored = dict(gather_object(list(zip(share, values, strict=True))))
        return dataset.add_column("ref_logps", [scored[number] for number in range(len(rows))])

    def _micro_batches(self, rows: Sequence[Row]) -> list[list[Row]]:
        """Forward passes over `rows`; under FSDP as many in every process, since each pass gathers weights from all."""
        batches = list(micro_batches(rows, self._micro_batch_tokens))
        if not self.is_fsdp_enabled:
            return batches
        passes = torch.tensor([len(batches)], device=self.accelerator.device)
        return split_further(batches, int(self.accelerator.gather(passes).max()))

    def _pack(self, rows: Sequence[Row]) -> PackedBatch:
        return pack([(row.prompt_ids, row.answers) for row in rows], self.accelerator.device, self._attention)

    def _preference_loss(self, model: Any, rows: Sequence[Row]) -> PreferenceLoss:
        batch = self._pack(rows)
        logprobs_N = token_log_probabilities(model, batch, self._head)
        reference_N = torch.tensor([value for row in rows for value in row.ref_logps], device=logprobs_N.device)
        counts = [row.counts for row in rows]
        return preference_loss(logprobs_N, reference_N, batch.answer_of_N, counts, self.beta, self._sft_weight)

    def _compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False) -> torch.Tensor:
        """Eq. 6 summed over each prompt's losers, mean over the prompts of `inputs`."""
        parts = self._preference_loss(model, inputs["rows"])
        self._watch([parts])
        return parts.loss / parts.prompts

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[dict[str, tuple[Row, ...]]], int]:
        """The batches of one step, and how many prompts they hold in all processes.

        An epoch's last batches are filled with rows that were there before, so that all processes have as many
        (Accelerate's `BatchSamplerShard`): those are made to count for nothing.
        """
        batches, _ = super().get_batch_samples(epoch_iterator, num_batches, device)
        if self.accelerator.gradient_state.end_of_dataloader and not self.args.dataloader_drop_last:
            batches[-1] = {"rows": self._without_fillers(batches[-1]["rows"])}
        prompts = sum(any(row.counts) for batch in batches for row in batch["rows"])
        return batches, int(self.accelerator.reduce(torch.tensor(prompts, device=device), "sum"))

    def _without_fillers(self, rows: Sequence[Row]) -> tuple[Row, ...]:
        """The rows of this process in an epoch's last batches, which are dealt to the processes one after another."""
        size = self._train_batch_size
        last = len(self.train_dataset) % (size * self.accelerator.num_processes)
        if not last:
            return tuple(rows)
        real = max(0, last - self.accelerator.process_index * size)
        return (*rows[:real], *(replace(row, counts=[0] * len(row.counts)) for row in rows[real:]))

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: int | None = None) -> torch.Tensor:
        """Gradients of one batch, micro-batch by micro-batch.

        The mean is over the `num_items_in_batch` prompts of the step, in all processes and accumulated batches, however
        they are divided; without that number, over as many in each process as here.
        """
        model.train()
        keep_gradients_in_buckets(model)
        rows = inputs["rows"]
        processes = self.accelerator.num_processes  # whose gradients are averaged
        share = processes / (num_items_in_batch or processes * len(rows))
        parts = []
        total = torch.zeros((), device=self.accelerator.device)
        batches = self._micro_batches(rows)
        for number, batch in enumerate(batches, start=1):
            # Processes exchange gradients once a step, with the last micro-batch: they may have different numbers.
            # Under FSDP with every one, or each would hold the whole model's gradients meanwhile.
            exchange = number == len(batches) or self.is_fsdp_enabled
            with nullcontext() if exchange else self.accelerator.no_sync(model), self.compute_loss_context_manager():
                part = self._preference_loss(model, batch)
                self.accelerator.backward(part.loss * share)
            total += part.loss.detach() * share
            parts.append(part)
        self._watch(parts)
        return total

    def _watch(self, parts: Sequence[PreferenceLoss]) -> None:
        """Log means over a step of all processes: per pair, per prompt and per answer."""
        names = ["pairs", "prompts", "answers", "margin", "pairs_in_order"]
        names += ["winner_change", "loser_change", "winner_nll", "kl"]
        local = torch.tensor([float(sum(getattr(part, name) for part in parts)) for name in names])
        summed = self.accelerator.reduce(local.to(self.accelerator.device), "sum").tolist()
        sums = dict(zip(names, summed, strict=True))
        figures = {
            "margin": sums["margin"] / sums["pairs"],
            "pair_accuracy": sums["pairs_in_order"] / sums["pairs"],
            "winner_logprob_change": sums["winner_change"] / sums["prompts"],
            "loser_logprob_change": sums["loser_change"] / sums["pairs"],
            "winner_nll": sums["winner_nll"] / sums["prompts"],
            "kl": sums["kl"] / sums["answers"],
        }
        if not math.isfinite(figures["kl"]):
            raise ValueError(
                f"preference optimisation diverged at step {self.state.global_step}: log-probabilities are no longer "
                "finite; lower dpo.learning_rate"
            )
        mode = "train" if self.model.training else "eval"
        for name, value in figures.items():
            self._metrics[mode][name].append(value)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """The checkpoint of Transformers without TRL's model card, and a marker once all of it is written."""
        super(DPOTrainer, self)._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()  # each process writes its own random state
        if self.args.should_save:
            (Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}" / COMPLETE).touch()
