"""The network of Eq. 3: sigmoid(MLP([phi(x); phi(y); e_h; e_a; ...]) + wide part) with MLP 128-64-32.

Beside the paper's inputs it gets what tells an ad from its neighbour in the same answer: the ad's own sentence, the
structure of the answer, and the elementwise products of query, profile and sentence with the ad in a learnt topic
space. Few clicks don't feed an MLP alone, so a wide part (wide & deep, Cheng et al. 2016) carries the first order: it
is linear in structure and wording, and bilinear in the latent topics of (query, profile) and the ad's category, in
which clicks teach which needs a category serves. It is fitted first (`llm_auction.pctr.wide`); the MLP starts at zero
and learns what it leaves over.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

TOPIC_DIM = 48
MAIN_DIM = 8
STYLE_DIM = 16
# The role order of `llm_auction.pctr.features.TEXT_ROLES`.
_QUERY, _PROFILE, _AD, _CATEGORY, _SENTENCE, _BEFORE, _ANSWER = range(7)
# Scales of unit vectors in the wide part: with one ridge penalty for all weights, they say how far each may reach.
# Wording reaches least: there are as many ways to say a thing as answers, and what it seems to be worth on a few
# thousand clicks is noise that preferences would follow.
_STYLE_SCALE = 1.0
_PAIR_SCALE = 3.0
# How much of a user's profile is asked for with every question.
_PROFILE_SHARE = 0.4
_PRODUCTS = (_QUERY, _PROFILE, _SENTENCE, _BEFORE)


class PctrNetwork(nn.Module):
    """Logits of N impressions.

    Row 0 of the user, ad and category embeddings stands for "unknown"; in training a share of the ids is replaced by
    it at random, so that unseen users and new ads are predicted from their texts.
    """

    def __init__(
        self,
        *,
        text_dim: int,
        topic_dim: int,
        style_dim: int,
        dense_dim: int,
        users: int,
        ads: int,
        categories: int,
        user_dim: int,
        ad_dim: int,
        hidden: Sequence[int],
        dropout: float,
        unknown_user_share: float = 0.5,
        unknown_ad_share: float = 0.1,
    ) -> None:
        super().__init__()
        self.unknown_user_share = unknown_user_share
        self.unknown_ad_share = unknown_ad_share
        self.topic = nn.Linear(topic_dim, TOPIC_DIM, bias=False)
        self.style = nn.ModuleList(nn.Linear(style_dim, STYLE_DIM) for _ in range(2))
        self.main = nn.ModuleList(nn.Linear(text_dim, MAIN_DIM) for _ in (_QUERY, _ANSWER))
        self.user = nn.Embedding(users, user_dim)
        self.ad = nn.Embedding(ads, ad_dim)
        self.ad_topic = nn.Embedding(ads, TOPIC_DIM)
        self.category_topic = nn.Embedding(categories, TOPIC_DIM)
        self.register_buffer("dense_mean", torch.zeros(dense_dim))
        self.register_buffer("dense_scale", torch.ones(dense_dim))
        width = user_dim + ad_dim + dense_dim + 2 * STYLE_DIM + 2 * MAIN_DIM + len(_PRODUCTS) * (TOPIC_DIM + 1)
        layers: list[nn.Module] = []
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.mlp = nn.Sequential(*layers, nn.Linear(width, 1))
        self.wide = nn.Linear(dense_dim + 2 * style_dim, 1)
        self.pair = nn.Parameter(torch.zeros(topic_dim, topic_dim))
        self._initialise()

    def wide_penalty(self) -> Tensor:
        """Sum of squares of the wide part's weights, its intercept left out."""
        return (self.wide.weight**2).sum() + (self.pair**2).sum()

    def _initialise(self) -> None:
        # Random rows near an orthonormal frame: before any click, the topic space compares texts by their words.
        nn.init.orthogonal_(self.topic.weight, gain=(self.topic.in_features / TOPIC_DIM) ** 0.5)
        for embedding in (self.user, self.ad):
            nn.init.normal_(embedding.weight, std=0.05)
        for embedding in (self.ad_topic, self.category_topic):
            nn.init.normal_(embedding.weight, std=0.02)
        last = self.mlp[-1]
        for parameter in (self.wide.weight, self.wide.bias, last.weight, last.bias):
            nn.init.zeros_(parameter)

    def forward(
        self,
        vectors: Tensor,
        topics: Tensor,
        text: Tensor,
        styles: Tensor,
        style: Tensor,
        dense: Tensor,
        user: Tensor,
        ad: Tensor,
        category: Tensor,
    ) -> Tensor:
        """Args are the arrays of `Features`, ids as rows of the embeddings; returns N logits."""
        if self.training:
            user = user * (torch.rand(user.shape) >= self.unknown_user_share)
            ad = ad * (torch.rand(ad.shape) >= self.unknown_ad_share)
        role = [topics[text[:, index]] for index in range(text.shape[1])]
        ad_side = self.topic(role[_AD] + role[_CATEGORY]) + self.ad_topic(ad) + self.category_topic(category)
        said = [styles[style[:, index]] for index in range(style.shape[1])]
        inputs = [
            self.user(user),
            self.ad(ad),
            (dense - self.dense_mean) / self.dense_scale,
            *(layer(vector) for layer, vector in zip(self.style, said, strict=True)),
            *(layer(vectors[text[:, index]]) for index, layer in zip((_QUERY, _ANSWER), self.main, strict=True)),
        ]
        for index in _PRODUCTS:
            product = self.topic(role[index]) * ad_side
            inputs += [product, product.sum(dim=1, keepdim=True)]
        deep = self.mlp(torch.cat(inputs, dim=1)).squeeze(1)
        return deep + self.wide_logits(*self.wide_inputs(topics, text, styles, style, dense))

    def wide_inputs(
        self, topics: Tensor, text: Tensor, styles: Tensor, style: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the wide part reads: (structure and wording, topics of who asks what, topics of the ad's category)."""
        said = [_STYLE_SCALE * styles[style[:, index]] for index in range(style.shape[1])]
        linear = torch.cat([(dense - self.dense_mean) / self.dense_scale, *said], dim=1)
        asked = topics[text[:, _QUERY]] + _PROFILE_SHARE * topics[text[:, _PROFILE]]
        return linear, asked, _PAIR_SCALE * topics[text[:, _CATEGORY]]

    def wide_logits(self, linear: Tensor, asked: Tensor, category: Tensor) -> Tensor:
        """The logits of the wide part alone, from `wide_inputs`."""
        return self.wide(linear).squeeze(1) + ((asked @ self.pair) * category).sum(dim=1)
