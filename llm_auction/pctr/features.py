"""From impressions to arrays: frozen text vectors, overlaps between the texts, structure of the answer, ids.

Every distinct text is encoded once; impressions point into the table of vectors. The features follow the four criteria
by which the paper's users click (relevance, nativeness, competitiveness, flooding), read off texts alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy import sparse

from llm_auction.market import Ad
from llm_auction.pctr.encoders import TEXTS_PER_BLOCK, HashingEncoder, TextEncoder
from llm_auction.pctr.impressions import Impression
from llm_auction.pctr.placement import STRUCTURE_FIELDS, Placement, placements
from llm_auction.pctr.topics import LatentTopics, fit_topics, topical_stems

# What phi reads. The last three come from the answer.
TEXT_ROLES = ("query", "profile", "ad", "category", "sentence", "before", "answer")
STYLE_ROLES = ("sentence", "answer")
_PAIRS = (
    ("query", "ad"),
    ("query", "category"),
    ("profile", "ad"),
    ("profile", "category"),
    ("sentence", "ad"),
    ("sentence", "category"),
    ("before", "ad"),
    ("before", "category"),
    ("answer", "ad"),
    ("answer", "category"),
    ("query", "sentence"),
    ("query", "answer"),
)
_WORD_PAIRS = (("query", "ad"), ("profile", "ad"), ("sentence", "ad"), ("before", "ad"), ("query", "sentence"))
_AD_WEIGHT = 5
_ANSWER_ROLES = frozenset({"sentence", "before", "answer"})
OVERLAP_FIELDS = (
    *(f"cosine of {left} and {right}" for left, right in _PAIRS),
    *(f"topics of {left} and {right}" for left, right in _PAIRS),
    *(f"words of {left} shared with {right}" for left, right in _WORD_PAIRS),
    "nearest other ad",
    "nearest earlier ad",
)
DENSE_FIELDS = (*OVERLAP_FIELDS, *STRUCTURE_FIELDS)
# Dense columns that need the answer; the ablation without the answer sets them to zero.
ANSWER_COLUMNS = np.asarray(
    [
        *(bool({left, right} & _ANSWER_ROLES) for left, right in (*_PAIRS, *_PAIRS, *_WORD_PAIRS)),
        *[True] * (len(DENSE_FIELDS) - 2 * len(_PAIRS) - len(_WORD_PAIRS)),
    ]
)


@dataclass(frozen=True, slots=True)
class Features:
    """N impressions as arrays.

    `vectors` (texts x dimension) holds phi of every distinct text, `topics` its latent topics, and `text` (N x roles)
    the row of each role;
    `styles` and `style` the same for how sentence and answer are worded; `dense` (N x fields) overlaps and structure;
    `user`, `ad`, `category` are the ids as text.
    """

    vectors: np.ndarray
    topics: np.ndarray
    text: np.ndarray
    styles: np.ndarray
    style: np.ndarray
    dense: np.ndarray
    user: np.ndarray
    ad: np.ndarray
    category: np.ndarray

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: np.ndarray) -> Features:
        """The impressions at `rows`; the tables of vectors are shared."""
        shared = {"vectors", "topics", "styles"}
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self) if f.name not in shared})


def build_features(
    impressions: Sequence[Impression],
    encoder: TextEncoder,
    topics: LatentTopics,
    *,
    use_answer_features: bool = True,
    placed: Sequence[Placement] | None = None,
) -> Features:
    """The features of `impressions`.

    Args:
        encoder: phi.
        topics: fitted by `topics_of` on the texts of the training rows.
        use_answer_features: False blanks all that needs the answer (the ablation "pCTR without the answer").
        placed: their placements, where `placements_of` has read them already.
    """
    placed = placements_of(impressions) if placed is None else placed
    lexical = HashingEncoder()
    distinct, text = _index(
        (
            _texts_of(impression, placement, use_answer_features)
            for impression, placement in zip(impressions, placed, strict=True)
        ),
        len(TEXT_ROLES),
    )
    styled = text[:, [TEXT_ROLES.index(role) for role in STYLE_ROLES]]
    used, style = np.unique(styled, return_inverse=True)
    style = style.reshape(styled.shape)
    distinct_styles = [distinct[place] for place in used]
    words_table = lexical.encode(distinct)
    vectors = words_table if encoder.name == lexical.name else _encoded(distinct, text, encoder)
    topic_table = topics.encode(distinct)
    overlaps = np.column_stack(
        [
            _cosines(words_table, text),
            _cosines(topic_table, text),
            _shared_words(distinct, text),
            _nearest_ads(impressions, lexical),
        ]
    )
    structure = (
        np.stack([placement.structure for placement in placed])
        if placed
        else np.zeros((0, len(STRUCTURE_FIELDS)), dtype=np.float32)
    )
    dense = np.column_stack([overlaps, structure]).astype(np.float32)
    if not use_answer_features:
        dense[:, ANSWER_COLUMNS] = 0.0
    return Features(
        vectors=vectors,
        topics=topic_table,
        text=text,
        styles=HashingEncoder(style=True).encode(distinct_styles),
        style=style,
        dense=dense,
        user=np.asarray([impression.user_id for impression in impressions], dtype=object),
        ad=np.asarray([impression.ad.ad_id for impression in impressions], dtype=object),
        category=np.asarray([impression.ad.category for impression in impressions], dtype=object),
    )


def topics_of(impressions: Sequence[Impression], placed: Sequence[Placement]) -> LatentTopics:
    """Latent topics of what these impressions say: questions with their answers, sentences with their ads, ads."""
    documents: dict[str, None] = {}
    for impression, placement in zip(impressions, placed, strict=True):
        documents[f"{impression.query} {placement.answer}"] = None
        documents[f"{placement.sentence} {impression.ad.title} {impression.ad.category}"] = None
    ads = {impression.ad.ad_id: _ad_text(impression.ad) for impression in impressions}
    # An ad is written once but shown often: without weight its words would hardly count.
    return fit_topics([*documents, *(text for text in ads.values() for _ in range(_AD_WEIGHT))])


def placements_of(impressions: Sequence[Impression]) -> list[Placement]:
    """The placement of every impression; an answer is read once for all its ads.

    Raises:
        ValueError: an impression's ad is not among those that its answer showed.
    """
    read: dict[tuple[str, tuple[str, ...]], tuple[Placement, ...]] = {}
    placed = []
    for impression in impressions:
        shown = impression.shown or (impression.ad,)
        key = (impression.answer, tuple(ad.ad_id for ad in shown))
        if key not in read:
            read[key] = placements(impression.answer, shown)
        index = next((i for i, ad in enumerate(shown) if ad.ad_id == impression.ad.ad_id), None)
        if index is None:
            raise ValueError(
                f"impression of ad {impression.ad.ad_id}: not among the ads shown in its answer "
                f"({', '.join(ad.ad_id for ad in shown)})"
            )
        placed.append(read[key][index])
    return placed


def _encoded(distinct: Sequence[str], text: np.ndarray, encoder: TextEncoder) -> np.ndarray:
    """phi of every distinct text; one that any impression asks is read as a question."""
    vectors = np.zeros((len(distinct), encoder.dimension), dtype=np.float32)
    asked = np.unique(text[:, TEXT_ROLES.index("query")])
    others = np.setdiff1d(np.arange(len(distinct)), asked)
    vectors[asked] = encoder.encode_queries([distinct[row] for row in asked])
    vectors[others] = encoder.encode([distinct[row] for row in others])
    return vectors


def _ad_text(ad: Ad) -> str:
    return f"{ad.title} {ad.category} {ad.description}"


def _texts_of(impression: Impression, placement: Placement, use_answer: bool) -> tuple[str, ...]:
    ad = impression.ad
    said = (placement.sentence, placement.before, placement.answer) if use_answer else ("", "", "")
    return (impression.query, impression.profile, _ad_text(ad), ad.category, *said)


def _index(rows: Iterable[tuple[str, ...]], width: int) -> tuple[list[str], np.ndarray]:
    """The distinct texts of all rows and, per row, where its texts are among them."""
    known: dict[str, int] = {}
    places = np.fromiter((known.setdefault(text, len(known)) for row in rows for text in row), dtype=np.int64)
    return list(known), places.reshape(-1, width)


def _cosines(vectors: np.ndarray, text: np.ndarray) -> np.ndarray:
    columns = []
    for pair in _PAIRS:
        left, right, places = _distinct_pairs(text, pair)
        blocks = [slice(start, start + TEXTS_PER_BLOCK) for start in range(0, len(left), TEXTS_PER_BLOCK)]
        cosines = [np.einsum("ij,ij->i", vectors[left[rows]], vectors[right[rows]]) for rows in blocks]
        columns.append(np.concatenate([*cosines, np.zeros(0, dtype=vectors.dtype)])[places])
    return np.column_stack(columns)


def _shared_words(distinct: Sequence[str], text: np.ndarray) -> np.ndarray:
    """log(1 + number of topical stems that two texts share), for each pair of roles."""
    roles = {TEXT_ROLES.index(role) for pair in _WORD_PAIRS for role in pair}
    said = _stems_said(distinct, np.unique(text[:, sorted(roles)]))
    columns = []
    for pair in _WORD_PAIRS:
        left, right, places = _distinct_pairs(text, pair)
        blocks = [slice(start, start + TEXTS_PER_BLOCK) for start in range(0, len(left), TEXTS_PER_BLOCK)]
        shared = [np.asarray(said[left[rows]].multiply(said[right[rows]]).sum(axis=1)).ravel() for rows in blocks]
        columns.append(np.log1p(np.concatenate([*shared, np.zeros(0)]).astype(np.float32))[places])
    return np.column_stack(columns)


def _stems_said(distinct: Sequence[str], rows: np.ndarray) -> sparse.csr_matrix:
    """Texts x topical stems, 1 where a text says one, for the texts at `rows`; empty for the others.

    Numbers, not sets of words: those take ten times the memory.
    """
    place: dict[str, int] = {}
    counts = np.zeros(len(distinct) + 1, dtype=np.int64)
    columns = array("i")
    for row in rows.tolist():
        stems = dict.fromkeys(topical_stems(distinct[row]))
        counts[row + 1] = len(stems)
        columns.extend(place.setdefault(item, len(place)) for item in stems)
    data = np.ones(len(columns), dtype=np.float32)
    ends = np.cumsum(counts)
    return sparse.csr_matrix((data, np.asarray(columns, dtype=np.int32), ends), shape=(len(distinct), len(place)))


def _distinct_pairs(text: np.ndarray, roles: tuple[str, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct pairs of texts in two roles, left and right, and per row where its pair is among them."""
    left, right = (text[:, TEXT_ROLES.index(role)] for role in roles)
    # One number a pair: numpy sorts rows of an array ten times slower.
    width = int(text.max(initial=0)) + 1
    pairs, places = np.unique(left * width + right, return_inverse=True)
    return pairs // width, pairs % width, places


def _nearest_ads(impressions: Sequence[Impression], lexical: HashingEncoder) -> np.ndarray:
    """Highest cosine of an ad to any other ad of its answer, and to any earlier one; 0 where there is none."""
    ads = {ad.ad_id: ad for impression in impressions for ad in (*impression.shown, impression.ad)}
    place = {ad_id: index for index, ad_id in enumerate(ads)}
    vectors = lexical.encode([_ad_text(ad) for ad in ads.values()])
    known: dict[tuple[str, ...], tuple[float, float]] = {}
    nearest = np.zeros((len(impressions), 2), dtype=np.float32)
    for row, impression in enumerate(impressions):
        ids = [ad.ad_id for ad in impression.shown]
        if len(ids) < 2 or impression.ad.ad_id not in ids:
            continue
        own = ids.index(impression.ad.ad_id)
        key = (impression.ad.ad_id, *ids)
        if key not in known:
            cosines = vectors[[place[ad_id] for ad_id in ids]] @ vectors[place[impression.ad.ad_id]]
            others = np.delete(cosines, own)
            known[key] = others.max(), others[:own].max() if own else 0.0
        nearest[row] = known[key]
    return nearest
