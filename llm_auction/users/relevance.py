"""Relevance of an ad to a question and to a person, in [0, 1] (the paper's relevance criterion).

Known topics are compared on the bundled world's category graph (`llm_auction.world.topics.affinity`); anything else by
the similarity of texts, so that the user works for any catalog and any question.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from llm_auction.market import Ad, Query, UserProfile
from llm_auction.world.topics import affinity

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

# Cosines of short texts are small numbers; this fixed scale maps them to [0, 1]. On 1,491 labelled pairs of real
# search queries and ads, a random pair has a cosine of 0.015 and nine of ten stay under 0.10, the median relevant pair
# reaches 0.14, and a query's nearest ad 0.26.
UNRELATED_COSINE = 0.05
RELATED_COSINE = 0.25

_DESCRIPTION_CHARACTERS = 300
_CACHED_TEXTS = 4096


class Relevance:
    """Relevance to the ads of one catalog. Cheap to make: text similarity is fitted only when it is first needed."""

    def __init__(self, ads: Sequence[Ad]) -> None:
        self._ads = tuple(ads)
        self._similarity: TextSimilarity | None = None

    def to_query(self, query: Query, ad: Ad) -> float:
        """rel(query, ad): by category where both are known topics, else by text.

        Raises:
            ValueError: text has to be compared and the ad is not of the catalog.
        """
        known = None if query.category is None else affinity(query.category, ad.category)
        return self._text_similarity(query.text, ad) if known is None else known

    def to_profile(self, profile: UserProfile, ad: Ad) -> float:
        """rel(profile, ad): of the interest nearest to the ad, each compared by category where both are known topics,
        else by text; of the profile's own text when it lists no interests.

        Raises:
            ValueError: text has to be compared and the ad is not of the catalog.
        """
        if not profile.interests:
            return self._text_similarity(profile.text, ad)
        nearness = ((interest, affinity(interest, ad.category)) for interest in profile.interests)
        return max(self._text_similarity(text, ad) if known is None else known for text, known in nearness)

    def _text_similarity(self, text: str, ad: Ad) -> float:
        if self._similarity is None:
            self._similarity = TextSimilarity(self._ads)
        return self._similarity.of(text, ad.ad_id)


class TextSimilarity:
    """TF-IDF cosine between a text and each ad of a catalog: the mean of word and character n-grams, scaled to [0, 1].

    Words (1-2) carry meaning, character n-grams (3-5) survive typos and endings. Fitted on title, category, description
    and advertiser of the catalog's ads; the similarities of the last 4,096 texts are kept.

    Raises:
        ValueError: the catalog holds no ads or no text.
    """

    def __init__(self, ads: Iterable[Ad]) -> None:
        # Imported here: scikit-learn takes a second, and the bundled world never needs it.
        from sklearn.feature_extraction.text import TfidfVectorizer

        catalog = tuple(ads)
        if not catalog:
            raise ValueError("text similarity needs a catalog with at least one ad")
        texts = [_text_of(ad) for ad in catalog]
        self._columns = {ad.ad_id: number for number, ad in enumerate(catalog)}
        self._vectorizers: tuple[TfidfVectorizer, ...] = (
            TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), stop_words="english", token_pattern=r"(?u)\b\w+\b"),
            TfidfVectorizer(sublinear_tf=True, ngram_range=(3, 5), analyzer="char_wb"),
        )
        self._ad_vectors = tuple(vectorizer.fit_transform(texts).T.tocsr() for vectorizer in self._vectorizers)
        self._cache: OrderedDict[str, np.ndarray] = OrderedDict()

    def of(self, text: str, ad_id: str) -> float:
        """Similarity in [0, 1] of a text and one ad of the catalog.

        Raises:
            ValueError: the ad is not of the catalog.
        """
        if ad_id not in self._columns:
            raise ValueError(f"ad {ad_id} is not in the catalog that the user model was given")
        return float(self._row(text)[self._columns[ad_id]])

    def _row(self, text: str) -> np.ndarray:
        row = self._cache.get(text)
        if row is None:
            cosines = [
                (vectorizer.transform([text]) @ vectors).toarray()[0]
                for vectorizer, vectors in zip(self._vectorizers, self._ad_vectors, strict=True)
            ]
            scaled = (np.mean(cosines, axis=0) - UNRELATED_COSINE) / (RELATED_COSINE - UNRELATED_COSINE)
            row = np.clip(scaled, 0.0, 1.0).astype(np.float32)
            self._cache[text] = row
            if len(self._cache) > _CACHED_TEXTS:
                self._cache.popitem(last=False)
        return row


def _text_of(ad: Ad) -> str:
    # A category that is a mere number (a cluster of the feed) says nothing.
    category = ad.category if any(character.isalpha() for character in ad.category) else ""
    return f"{ad.title} {category} {ad.description[:_DESCRIPTION_CHARACTERS]} {ad.advertiser}"
