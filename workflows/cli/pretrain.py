"""`llm-auction pretrain`: train the embedded Ad-LLM anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from llm_auction.base.pretrain import PretrainConfig


def pretrain(
    output: Annotated[Path, typer.Argument(help="Directory of the model: new, or one to go on with.")] = Path(
        "data/pretrained"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Seed of the weights and of every document.")] = 0,
    share: Annotated[
        float, typer.Option(min=0.001, max=1.0, help="Share of the curriculum's steps, to try it out.")
    ] = 1.0,
) -> None:
    """Train the tiny base model from scratch. You need this only to change it: a trained one ships with the project.

    Examples:

        llm-auction pretrain                              # the whole curriculum: about three hours on two cores
        llm-auction pretrain data/trial --share 0.01      # a few minutes, learns little
        llm-auction run --set ad_llm.base=data/pretrained # the loop on the result

    A curriculum teaches it to copy ads from the prompt first and to answer with them afterwards; every document has a
    catalog of its own. The result is a normal Hugging Face directory. An interrupted training goes on where its last
    checkpoint was written; another seed or share wants another directory.
    """
    from rich.console import Console

    from llm_auction.base.card import write_card
    from llm_auction.base.pretrain import PretrainConfig
    from llm_auction.base.pretrain import pretrain as train
    from resources.storage import storage_errors
    from workflows.cli.progress import duration

    config = _shortened(PretrainConfig(seed=seed), share)
    console = Console(emoji=False)
    console.print(f"training {config.steps} steps into {output}", markup=False, highlight=False)

    def show(log: dict[str, object]) -> None:
        console.print(
            f"step {log['step']}/{config.steps}  {log['stage']}  loss {float(str(log['loss'])):.3f}  "
            f"{float(str(log['tokens_per_s'])):,.0f} tokens/s  {duration(float(str(log['seconds'])))}",
            highlight=False,
        )

    with storage_errors(output):
        model = train(config, output, show)
        console.print("measuring it on unseen catalogs, for its card", highlight=False)
        write_card(model, config)
    console.print(
        f"the model is in {model}; try it: llm-auction run --set ad_llm.base={model}", markup=False, highlight=False
    )


def _shortened(config: PretrainConfig, share: float) -> PretrainConfig:
    from dataclasses import replace

    if share == 1.0:
        return config
    return replace(
        config, stages=tuple(replace(stage, steps=max(1, round(stage.steps * share))) for stage in config.stages)
    )
