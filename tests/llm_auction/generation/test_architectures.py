"""The engine is no Qwen3 engine: other architectures draw the same answers as their own plain forward would."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig, LlamaForCausalLM

from llm_auction.generation.shared_prefix import supports_shared_prefix
from llm_auction.generation.transformers_engine import TransformersEngine
from llm_auction.profiles.schema import SamplingConfig

SIZE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size": 320,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
PROMPTS = [[{"role": "user", "content": "boots " * length}] for length in (3, 9, 5)]


@pytest.mark.parametrize(("kind", "shares"), [("llama", True), ("gemma3", False)])
def test_other_architectures(kind: str, shares: bool, model_dir: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    if kind == "llama":
        model = LlamaForCausalLM(LlamaConfig(**SIZE))
    else:  # sliding-window layers: only the model's own cache can run it
        model = Gemma3ForCausalLM(
            Gemma3TextConfig(**SIZE, sliding_window=8, layer_types=["sliding_attention", "full_attention"])
        )
    model.save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(model_dir).save_pretrained(tmp_path)
    assert supports_shared_prefix(model) == shares

    engine = TransformersEngine(tmp_path)
    answers = engine.sample(PROMPTS, 3, SamplingConfig(temperature=1.0, max_new_tokens=12, rows_per_batch=9), seed=0)

    model.eval()
    for prompt, group in zip(engine.encode(PROMPTS), answers, strict=True):
        for answer in group:
            with torch.inference_mode():
                logits = model(torch.tensor([[*prompt, *answer.token_ids]])).logits[0].log_softmax(-1)
            expected = logits[len(prompt) - 1 : -1].gather(1, torch.tensor(answer.token_ids)[:, None]).sum().item()
            assert answer.logprob == pytest.approx(expected, rel=1e-4)
