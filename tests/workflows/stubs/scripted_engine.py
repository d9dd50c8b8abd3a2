"""A scripted Ad-LLM: it reads the candidates from the prompt and inserts some, the higher bids more surely by level.

Its "weights" are a level in a JSON file of the model directory; training raises it by one. Files in
the data directory steer it: `fail-<arm>-<t>` makes the training of that iteration fail, `hold` makes it wait until
the file is gone, what `flavour` holds becomes part of the weights.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dagster import AssetExecutionContext

from assets.partitions import partition_of
from llm_auction.generation.protocol import GeneratedAnswer, Messages
from llm_auction.profiles.schema import DpoConfig, SamplingConfig
from llm_auction.seeds import generator
from resources.engines import EngineResource
from resources.launcher import TrainingLauncher

LEVEL = "level.json"
_AD = re.compile(r"^\{.*\}$", re.MULTILINE)


def level_of(model_dir: Path) -> int:
    """How often the model was trained."""
    path = model_dir / LEVEL
    return json.loads(path.read_text())["level"] if path.exists() else 0


class ScriptedModel:
    """A `GenerationEngine`."""

    seconds_saved = 0.0

    def __init__(self, level: int) -> None:
        self.level = level

    def sample(
        self,
        prompts: Sequence[Messages],
        answers_per_prompt: int,
        sampling: SamplingConfig,
        seed: int,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> list[list[GeneratedAnswer]]:
        answers = [
            [self._answer(messages, seed, index, sample) for sample in range(answers_per_prompt)]
            for index, messages in enumerate(prompts)
        ]
        if on_progress is not None:
            on_progress(len(prompts), len(prompts))
        return answers

    def _answer(self, messages: Messages, seed: int, index: int, sample: int) -> GeneratedAnswer:
        rng = generator(seed, index, sample)
        ads = [json.loads(line) for line in _AD.findall(messages[-1]["content"])]
        order = sorted(ads, key=lambda ad: -ad.get("bid", 0) * self.level - 100 * rng.random())
        shown = order[: int(rng.integers(1, 4))]
        text = " ".join(f"Have a look at @{ad['title']}@[{ad['id']}], it may help." for ad in shown)
        return GeneratedAnswer(text, tuple(range(1, 9)), -10.0 - float(rng.random()), True)


class ScriptedEngine(EngineResource):
    """Opens the scripted model of a directory."""

    def open(self, model_dir: Path | str, *, log_probabilities: bool = True) -> ScriptedModel:
        return ScriptedModel(level_of(Path(model_dir)))


class ScriptedLauncher(TrainingLauncher):
    """Training: the level goes up by one."""

    data_dir: str

    def train(
        self,
        context: AssetExecutionContext,
        *,
        start_dir: Path,
        reference_dir: Path | None = None,
        sets: Sequence[Any],
        config: DpoConfig,
        delta_th: float,
        output_dir: Path,
        seed: int,
        checkpoint_dir: Path,
        on_log: Callable[[Mapping[str, Any]], None],
    ) -> dict[str, Any]:
        partition = partition_of(context.partition_key)
        if (Path(self.data_dir) / f"fail-{partition['arm']}-{partition['iteration']}").exists():
            raise ValueError("the scripted training was told to fail")
        while (Path(self.data_dir) / "hold").exists():
            time.sleep(0.1)
        level = level_of(start_dir) + 1
        shutil.copytree(start_dir, output_dir, ignore=shutil.ignore_patterns("manifest.json"))
        content = {"level": level, "arm": partition["arm"]}
        if (Path(self.data_dir) / "flavour").exists():
            content["flavour"] = (Path(self.data_dir) / "flavour").read_text()
        (output_dir / LEVEL).write_text(json.dumps(content))
        on_log({"step": 1, "loss": 0.7})
        on_log({"step": 2, "loss": 0.6})
        return {"loss_first": 0.7, "loss_last": 0.6, "steps": 2, "level": level}
