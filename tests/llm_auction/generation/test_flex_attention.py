"""FlexAttention's block mask is the tree of prompts and answers, and attention under it is that of the split tree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.attention.flex_attention import create_mask

from llm_auction.generation.answer_scores import token_log_probabilities
from llm_auction.generation.checkpoint import load_model
from llm_auction.generation.flex_attention import FlexTreeAttention, tree_mask
from llm_auction.generation.packed import pack
from llm_auction.generation.shared_prefix import use_shared_prefix
from llm_auction.generation.tree_attention import SplitTreeAttention, TreeShape

# Not compiled on a CPU, which PyTorch remarks on.
pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")

SHAPES = [TreeShape(5, (3, 0, 4)), TreeShape(1, (2,)), TreeShape(4, (0,)), TreeShape(3, (1, 1))]


def test_the_mask_is_the_tree() -> None:
    places = []  # (prompt, answer or None) of every token
    for prompt, shape in enumerate(SHAPES):
        places += [(prompt, None)] * shape.prompt
        places += [(prompt, answer) for answer, length in enumerate(shape.answers) for _ in range(length)]
    expected = [
        [
            key <= query and of_query[0] == of_key[0] and of_key[1] in (None, of_query[1])
            for key, of_key in enumerate(places)
        ]
        for query, of_query in enumerate(places)
    ]
    visible, length = tree_mask(SHAPES, "cpu")
    assert length == len(places)
    assert create_mask(visible, 1, 1, length, length, device="cpu")[0, 0].tolist() == expected


@torch.inference_mode()
def test_attention_is_that_of_the_split_tree() -> None:
    length = tree_mask(SHAPES, "cpu")[1]
    query, key, value = (torch.randn(1, heads, length, 16) for heads in (4, 2, 2))
    split = SplitTreeAttention(SHAPES, "cpu").attend(0, query, key, value, 0.3)
    flex = FlexTreeAttention(SHAPES, "cpu").attend(0, query, key, value, 0.3)
    torch.testing.assert_close(flex, split, rtol=1e-5, atol=1e-6)


def test_blocks_that_no_token_sees_are_left_out() -> None:
    mask = FlexTreeAttention([TreeShape(256, (128, 128)), TreeShape(256, (128,))], "cpu").block_mask
    # 7 blocks of 128: a prompt's two see 1 and 2, an answer's its prompt's and its own; none another prompt's.
    assert mask.to_dense()[0, 0].tolist() == [
        [1, 0, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0, 0],
        [1, 1, 0, 1, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0],
        [0, 0, 0, 0, 1, 1, 0],
        [0, 0, 0, 0, 1, 1, 1],
    ]


@torch.inference_mode()
def test_a_model_says_the_same(model_dir: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        (rng.integers(3, 300, prompt).tolist(), [rng.integers(3, 300, answer).tolist() for answer in answers])
        for prompt, answers in [(40, [30, 1, 17]), (7, [1]), (90, [60, 60])]
    ]
    model = load_model(model_dir)
    use_shared_prefix(model)
    split, flex = (token_log_probabilities(model, pack(rows, attention=name)) for name in ("split", "flex"))
    torch.testing.assert_close(flex, split, rtol=1e-5, atol=1e-5)
