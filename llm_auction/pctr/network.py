"""The network of Eq. 3: sigmoid(MLP([phi(x); phi(y); e_h; e_a; ...])) with MLP 128-64-32.

Beside the paper's inputs it gets what tells an ad from its neighbour in the same answer: the ad's own text and
sentence, and the elementwise products of query, profile and sentence with the ad in one learnt low-rank topic space,
in which clicks teach which needs an ad serves (a bilinear form of two frozen texts).
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
        self.topic = nn.Linear(text_dim, TOPIC_DIM, bias=False)
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
        self._initialise()

    def _initialise(self) -> None:
        # Random rows near an orthonormal frame: before any click, the topic space compares texts by their words.
        nn.init.orthogonal_(self.topic.weight, gain=(self.topic.in_features / TOPIC_DIM) ** 0.5)
        for embedding in (self.user, self.ad):
            nn.init.normal_(embedding.weight, std=0.05)
        for embedding in (self.ad_topic, self.category_topic):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(
        self,
        vectors: Tensor,
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
        role = [vectors[text[:, index]] for index in range(text.shape[1])]
        ad_side = self.topic(role[_AD] + role[_CATEGORY]) + self.ad_topic(ad) + self.category_topic(category)
        inputs = [
            self.user(user),
            self.ad(ad),
            (dense - self.dense_mean) / self.dense_scale,
            *(layer(styles[style[:, index]]) for index, layer in enumerate(self.style)),
            *(layer(role[index]) for index, layer in zip((_QUERY, _ANSWER), self.main, strict=True)),
        ]
        for index in _PRODUCTS:
            product = self.topic(role[index]) * ad_side
            inputs += [product, product.sum(dim=1, keepdim=True)]
        return self.mlp(torch.cat(inputs, dim=1)).squeeze(1)
