"""A small market for the reward model's tests: ads and questions of the bundled world, templated answers, clicks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from llm_auction.answers import render_insertion
from llm_auction.market import Ad, Auction, Query, UserProfile
from llm_auction.pctr.impressions import Impression, impressions_of
from llm_auction.population.profiles import write_profile
from llm_auction.population.queries import write_query
from llm_auction.seeds import generator
from llm_auction.users.parametric import ParametricUser
from llm_auction.world.topics import Topic, affinity, topics

BRANDS = ("Norvik", "Alder", "Kestrel", "Lumo", "Brightwell", "Tarn", "Solis", "Fenn", "Quill", "Harbour")
NATIVE = (
    "For {need}, {ad} is a solid choice.",
    "Many people who want {product} are happy with {ad}.",
    "A good place to start is {ad}, which suits {need}.",
    "You could look at {ad} when you compare {product}.",
)
BARE = ("{ad}", "Also {ad}.", "See {ad}.", "Buy now: {ad}!", "Sponsored: {ad}.", "{ad} {other}")
OPENERS = ("Happy to help.", "Good question.", "It depends on what you need.", "Here is what I would do.")


@dataclass(frozen=True)
class Market:
    """Impressions with the auctions that they come of, their clicks and the user model's own probabilities."""

    impressions: list[Impression]
    clicked: np.ndarray
    probabilities: np.ndarray
    auctions: list[Auction]


def bundled_ads() -> tuple[Ad, ...]:
    """Two ads a topic, with brand names."""
    rng = generator(7, "test ads")
    ads = []
    for number, topic in enumerate(topics().values()):
        for copy in range(2):
            product = topic.products[(number + copy) % len(topic.products)]
            brand = BRANDS[int(rng.integers(len(BRANDS)))]
            title = f"{brand} {product.title()}"
            ads.append(Ad(str(1000 + 2 * number + copy), title, topic.name, f"{product} for {topic.needs[copy]}"))
    return tuple(ads)


def write_answer(topic: Topic, chosen: list[Ad], rng: np.random.Generator, native_share: float = 0.7) -> str:
    """An answer about `topic` that inserts `chosen`, in native sentences or bare ones."""
    sentences = [OPENERS[int(rng.integers(len(OPENERS)))]] if rng.random() < 0.7 else []
    sentences += [f"{tip.capitalize()}." for tip in topic.tips if rng.random() < 0.6]
    ads = list(chosen)
    while ads:
        ad = ads.pop(0)
        own = topics()[ad.category]
        form = NATIVE[int(rng.integers(len(NATIVE)))]
        if rng.random() > native_share:
            form = BARE[int(rng.integers(len(BARE)))]
        other = render_insertion(ads.pop(0)) if "{other}" in form and ads else ""
        about = topic if rng.random() < 0.5 else own
        sentence = form.format(
            ad=render_insertion(ad),
            other=other,
            need=about.needs[int(rng.integers(len(about.needs)))],
            product=about.products[int(rng.integers(len(about.products)))],
        )
        place = len(sentences) if rng.random() < 0.8 else int(rng.integers(len(sentences) + 1))
        sentences.insert(place, sentence.strip())
    return " ".join(sentences)


def simulate(
    n_impressions: int,
    seed: int = 0,
    *,
    users: int = 80,
    label: str = "train",
    candidates: int = 10,
    tastes: Mapping[str, float] | None = None,
) -> Market:
    """About `n_impressions` impressions: five questions a user, five answers a question, one to four ads an answer."""
    ads = bundled_ads()
    user_model = ParametricUser(ads, tastes=tastes)
    rng = generator(seed, "simulated market", label)
    names = list(topics())
    impressions: list[Impression] = []
    clicks: list[bool] = []
    probabilities: list[float] = []
    auctions: list[Auction] = []
    questions = max(1, round(n_impressions / 10.5))
    for number in range(questions):
        user_rng = generator(seed, label, "user", number % users)
        interests = tuple(user_rng.choice(names, size=3, replace=False))
        profile = UserProfile(f"{label}-{number % users}", write_profile(interests, user_rng), interests)
        topic = topics()[str(rng.choice([*interests, names[int(rng.integers(len(names)))]]))]
        query = Query(f"q{number}", profile.user_id, write_query(topic, rng), topic.name)
        near = sorted(ads, key=lambda ad: -(affinity(topic.name, ad.category) or 0.0) + 0.3 * rng.random())
        pool = near[: round(0.7 * candidates)]
        pool += [ads[i] for i in rng.choice(len(ads), size=candidates, replace=False) if ads[i] not in pool]
        offered = tuple(pool[:candidates])
        for answer_number in range(5):
            count = int(rng.choice((1, 1, 2, 2, 3, 4)))
            chosen = [offered[i] for i in rng.choice(len(offered), size=count, replace=False)]
            auction = Auction(query, profile, offered, (1,) * len(offered))
            answer = write_answer(topic, chosen, rng)
            judged = {
                j.ad_id: j
                for j in user_model.judge(auction, answer, generator(seed, label, "clicks", number, answer_number))
            }
            for impression in impressions_of(auction, answer):
                impressions.append(impression)
                auctions.append(auction)
                clicks.append(judged[impression.ad.ad_id].clicked)
                probabilities.append(judged[impression.ad.ad_id].probability)
    return Market(impressions, np.asarray(clicks), np.asarray(probabilities), auctions)
