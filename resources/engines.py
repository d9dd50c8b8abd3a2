"""Generation engines as a resource: what samples answers from a model directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dagster import ConfigurableResource
from pydantic import Field

if TYPE_CHECKING:
    from llm_auction.generation.protocol import GenerationEngine


class EngineResource(ConfigurableResource):
    """Opens an engine on a model of the store."""

    device: str = Field(default="auto", description='"auto" (a GPU when there is one), "cpu", "cuda", "cuda:1", "mps".')
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto: float32 on a CPU, bfloat16 on a GPU."
    )

    def open(self, model_dir: Path | str) -> GenerationEngine:
        """Load the model of `model_dir`; the import of torch happens here, not at definition time."""
        from llm_auction.generation.transformers_engine import TransformersEngine

        device, dtype = self._placement()
        return TransformersEngine(model_dir, device=device, dtype=dtype)

    def _placement(self) -> tuple[str, str]:
        import torch

        device = self.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = self.dtype
        if dtype == "auto":
            dtype = "bfloat16" if device.startswith("cuda") else "float32"
        return device, dtype
