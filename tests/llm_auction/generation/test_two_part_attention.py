"""Attention in two parts equals one softmax over the prompt's keys and the answer's own, in values and in gradients."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from llm_auction.generation.tree_attention import SplitTreeAttention, TreeShape
from llm_auction.generation.two_part_attention import can_attend_in_two_parts

HEADS, SIZE, SCALING = 2, 8, 0.3


def _tensors(tokens: int, scale: float = 1.0) -> list[Tensor]:
    torch.manual_seed(0)
    return [(scale * torch.randn(1, HEADS, tokens, SIZE)).requires_grad_() for _ in range(3)]


def _one_softmax(shapes: Sequence[TreeShape], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    tree_of: list[int] = []
    answer_of: list[int] = []  # 0 for a prompt
    for number, shape in enumerate(shapes):
        for answer, length in enumerate((shape.prompt, *shape.answers)):
            tree_of += [number] * length
            answer_of += [answer] * length
    tree, answer = torch.tensor(tree_of), torch.tensor(answer_of)
    seen = (tree[:, None] == tree) & ((answer == 0) | (answer[:, None] == answer))
    return scaled_dot_product_attention(query, key, value, attn_mask=seen.tril(), scale=SCALING)


@pytest.mark.parametrize("scale", [1.0, 30.0])  # the second makes scores of thousands: one key takes all the weight
@pytest.mark.parametrize(
    "shapes",
    [
        [TreeShape(40, (30, 1, 17))],
        [TreeShape(7, (0, 5)), TreeShape(1, (4, 9)), TreeShape(90, (60, 60)), TreeShape(5, (0,))],
        [TreeShape(600, (45,) * 9)],
    ],
)
def test_equals_one_softmax(shapes: list[TreeShape], scale: float) -> None:
    tokens = sum(shape.prompt + sum(shape.answers) for shape in shapes)
    inputs = _tensors(tokens, scale)
    assert can_attend_in_two_parts(*inputs)
    weights = torch.linspace(-1, 1, HEADS * tokens * SIZE).view(1, HEADS, tokens, SIZE)

    ours = SplitTreeAttention(shapes, "cpu").attend(0, *inputs, SCALING)
    expected = _one_softmax(shapes, *inputs)
    rounding = 1e-6 * max(10.0, scale**2)  # the scores' own, in float32
    torch.testing.assert_close(ours, expected, rtol=rounding, atol=rounding * scale)
    of_ours = torch.autograd.grad((ours * weights).sum(), inputs)
    of_expected = torch.autograd.grad((expected * weights).sum(), inputs)
    for one, other in zip(of_ours, of_expected, strict=True):
        assert torch.isfinite(one).all()
        assert (one - other).norm() <= rounding * max(1.0, float(other.norm()))


def test_what_would_lose_precision_or_does_not_fit_takes_the_other_way() -> None:
    query, key, value = _tensors(4)
    assert not can_attend_in_two_parts(query.bfloat16(), key.bfloat16(), value.bfloat16())
    assert not can_attend_in_two_parts(query, key, value.bfloat16())  # as under autocast
    assert not can_attend_in_two_parts(query, key, value[..., :4])
    assert not can_attend_in_two_parts(query.to("meta"), key.to("meta"), value.to("meta"))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_other_way_is_the_same_function(dtype: torch.dtype) -> None:
    shapes = [TreeShape(40, (30, 1, 17)), TreeShape(7, (0, 5))]
    inputs = [part.to(dtype) for part in _tensors(100)]
    ours = SplitTreeAttention(shapes, "cpu").attend(0, *inputs, SCALING)
    expected = _one_softmax(shapes, *(part.float() for part in inputs))
    torch.testing.assert_close(ours.float(), expected, rtol=0, atol=1e-5 if dtype == torch.float64 else 2e-2)
