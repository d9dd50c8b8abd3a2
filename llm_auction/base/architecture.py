"""The embedded model's shape: Qwen3, about a million weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast, Qwen3ForCausalLM

VOCABULARY = 2048
CONTEXT = 8192


def build_model(
    tokenizer: PreTrainedTokenizerFast, *, hidden: int = 128, layers: int = 4, seed: int = 0
) -> Qwen3ForCausalLM:
    """A freshly initialised model for `tokenizer`, identical for the same seed.

    Embeddings start at standard deviation 0.3 and the query and key norms at 1.5, so that attention is sharp from the
    start and the copy circuit can form early (`docs/experiments.md` has its loss by step).
    """
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=3 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=hidden // 2,
        max_position_embeddings=CONTEXT,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Qwen3ForCausalLM(config)
        with torch.no_grad():
            model.model.embed_tokens.weight.normal_(0.0, 0.3)
            for layer in model.model.layers:
                layer.self_attn.q_norm.weight.fill_(1.5)
                layer.self_attn.k_norm.weight.fill_(1.5)
    return model
