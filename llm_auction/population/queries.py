"""The sentence forms of synthetic questions, and the one function that writes a question about a topic.

The forms range from a search phrase of two words to a spoken request. None names an ad; they use the topic's own
words (products people buy, needs that fit after "for"), so that retrieval by text works as it does on real queries.
"""

from __future__ import annotations

import numpy as np

from llm_auction.world.topics import Topic

# `{need}` fits after "for"; `{product}` stands bare; `{a_product}` with its article; `{topic}` is the topic's name.
QUERY_FORMS = (
    "What helps with {need}?",
    "What do you recommend for {need}?",
    "Any advice for {need}?",
    "Can you suggest something for {need}?",
    "I need something for {need}, what should I get?",
    "What should I know before I buy {a_product}?",
    "How do I choose {a_product}?",
    "How do I choose {a_product} for {need}?",
    "Where can I get good value in {topic}?",
    "What matters most in {topic} for {need}?",
    "Which kind of {product} suits {need}?",
    "Would {a_product} be right for {need}?",
    "Do I need {a_product} for {need}?",
    "Looking for {a_product}, ideally for {need}.",
    "I am new to {topic}, where do I start?",
    "My friend keeps talking about {topic}. What would you pick for {need}?",
    "Help me plan for {need}, please.",
    "What would you buy first for {need}?",
    "Is it worth paying more for {a_product}?",
    "Please compare my options for {need}.",
    "Best {product} for {need}",
    "{product} for {need}",
    "affordable {product}",
    "What is new in {topic} this year?",
    "How should I prepare for {need}?",
    "Tell me what experts look for in {a_product}.",
    "I have been thinking about {need} lately. Any ideas?",
    "What are common mistakes when buying {a_product}?",
    "How long should {a_product} last with daily use?",
    "Quick question: what is good for {need}?",
)
# What people add before or after, where the question stays within 18 words.
OPENERS = ("Hi there!", "Hello,", "A question:", "Please help.")
CLOSERS = (
    "I am on a tight budget.",
    "I have never tried this before.",
    "Please keep it simple.",
    "Nothing too expensive, please.",
    "It should last for years.",
    "I live in a small flat.",
    "I need it by Friday.",
    "Quality matters more to me than price.",
    "I have two small children.",
    "I would use it every day.",
    "I know very little about it.",
    "My friends are no help.",
)
ADDITION_SHARE = 0.5
LONGEST = 18  # words

PRODUCT_FORMS = tuple(form for form in QUERY_FORMS if "{need}" not in form and "{topic}" not in form)

_MASS_NOUNS = frozenset({"tea", "food", "powder", "creatine", "sunscreen", "lotion", "insurance", "cover", "cream"})
_SINGULAR_IN_S = frozenset({"press", "lens", "mattress"})


def with_article(product: str) -> str:
    """A product as it stands after a verb: "a" or "an" before one thing, nothing before many or a mass."""
    last = product.rsplit(" ", 1)[-1]
    if last in _MASS_NOUNS or (last.endswith("s") and last not in _SINGULAR_IN_S):
        return product
    vowel = product[0].lower() in "aeio" or product.startswith("led ")
    return f"{'an' if vowel else 'a'} {product}"


def write_query(topic: Topic, rng: np.random.Generator) -> str:
    """One question about `topic`; its form, product and need are drawn from `rng`.

    At most 18 words on the bundled world. A topic without needs gets the forms that speak of products only.
    """
    forms = QUERY_FORMS if topic.needs else PRODUCT_FORMS
    form = forms[rng.integers(len(forms))]
    product = topic.products[rng.integers(len(topic.products))]
    need = topic.needs[rng.integers(len(topic.needs))] if topic.needs else ""
    question = form.format(topic=topic.name, product=product, a_product=with_article(product), need=need)
    if rng.random() < ADDITION_SHARE and question[-1] in ".?":
        return _with_addition(question, rng)
    return question


def _with_addition(question: str, rng: np.random.Generator) -> str:
    index = int(rng.integers(len(OPENERS) + len(CLOSERS)))
    parts = [OPENERS[index], question] if index < len(OPENERS) else [question, CLOSERS[index - len(OPENERS)]]
    longer = " ".join(parts)
    return longer if len(longer.split()) <= LONGEST else question
