"""The models of random weights that are measured: the embedded one's size, and the shapes of real ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.tiny_qwen3 import write_tiny_qwen3


@dataclass(frozen=True, slots=True)
class BenchModel:
    """A model's shape, and the precision of the arithmetic that it is trained in (its weights are float32).

    `pass_tokens` bounds the tokens of one of TRL's forward passes; None does a whole step in one, which is fastest with
    a small model and more than a GPU's memory with a real one.
    """

    name: str
    dtype: str
    pass_tokens: int | None
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    mlp: int
    vocabulary: int
    weight_std: float

    def write(self, folder: Path) -> Path:
        """Its directory in `folder`; written there when it is missing."""
        target = folder / self.name
        if not target.exists():
            write_tiny_qwen3(
                target,
                hidden=self.hidden,
                layers=self.layers,
                heads=self.heads,
                kv_heads=self.kv_heads,
                head_size=self.head_size,
                mlp=self.mlp,
                vocabulary=self.vocabulary,
                weight_std=self.weight_std,
            )
        return target


EMBEDDED = BenchModel("embedded", "float32", None, 128, 3, 4, 4, 64, 384, 1000, 0.08)
# From their config.json on huggingface.co/Qwen; both tie the output layer to the embedding.
REAL = (
    BenchModel("qwen3-0.6b", "bfloat16", 4096, 1024, 28, 16, 8, 128, 3072, 151_936, 0.02),
    BenchModel("qwen3-4b", "bfloat16", 4096, 2560, 36, 32, 8, 128, 9728, 151_936, 0.02),
)
