"""The embedded model's making: its corpus, its tokenizer, and a training that survives interruption."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.numpy import load_file

from llm_auction.answers import FORBIDDEN_IN_TITLE, parse_answer
from llm_auction.base.architecture import build_model
from llm_auction.base.card import write_card
from llm_auction.base.corpus import Mix, document
from llm_auction.base.lists import BY_BID, BY_BOTH, BY_NEED, BY_NEED_AND_TERM, BY_TERM
from llm_auction.base.pretrain import PretrainConfig, Stage, completions_loss, pretrain, tokenized
from llm_auction.base.scenes import random_scene, replace_question, replace_topic, search_words, term_for
from llm_auction.base.tokenizer import train_tokenizer
from llm_auction.generation.shared_prefix import use_shared_prefix
from llm_auction.market import Auction
from llm_auction.world.topics import topics

COPY, ANSWERS = Mix(1.0, 0.0, (3,)), Mix(0.0, 0.0, (6,))
TINY = PretrainConfig(
    stages=(Stage("copy", 3, COPY, documents=2), Stage("answers", 3, ANSWERS, documents=2)),
    tokenizer_documents=300,
    hidden=32,
    layers=1,
    checkpoint_steps=2,
)


def test_the_stream_of_documents_is_seeded_and_never_repeats_a_catalog() -> None:
    rng, again = Random(1), Random(1)
    documents = [document(ANSWERS, rng) for _ in range(50)]
    assert documents == [document(ANSWERS, again) for _ in range(50)]
    titles = [ad.title for n in range(30) for ad in random_scene(8, n % 2 == 0, Random(n)).auction.candidates]
    assert len(set(titles)) > 0.99 * len(titles)


def test_titles_can_be_written_in_the_ad_format() -> None:
    for n in range(40):
        for ad in random_scene(10, n % 2 == 0, Random(n)).auction.candidates:
            assert ad.title == ad.title.strip() != ""
            assert not FORBIDDEN_IN_TITLE.search(ad.title)


def test_titles_like_real_feeds_are_alike_in_some_catalogs_and_differ_in_others() -> None:
    shares = sorted(_shared_bigrams(random_scene(20, True, Random(n)).auction) for n in range(60))
    # A real catalog's candidates for one query share about a sixth of their bigrams.
    assert 0.08 < sum(shares) / len(shares) < 0.25
    assert shares[20] < 0.05
    assert shares[-10] > 0.2


def test_what_a_look_up_names_tells_an_ad_from_those_alike() -> None:
    ambiguous = []
    for n in range(40):
        ads = random_scene(10, True, Random(n)).ads
        ambiguous += [sum(item.term in other.ad.title.lower() for other in ads) > 1 for item in ads]
    assert sum(ambiguous) < 0.2 * len(ambiguous)


def _shared_bigrams(auction: Auction) -> float:
    """Share of all titles' pairs of neighbouring words that another title has too."""
    titles = [ad.title.split() for ad in auction.candidates]
    pairs = [set(pairwise(words)) for words in titles]
    every = [(i, pair) for i, own in enumerate(pairs) for pair in own]
    return sum(any(pair in other for j, other in enumerate(pairs) if j != i) for i, pair in every) / len(every)


def test_copy_documents_hold_valid_insertions_of_ads_in_their_prompt() -> None:
    for n in range(30):
        example = document(COPY, Random(n))
        candidates = random_scene_candidates(example.messages[-1]["content"])
        for completion in example.completions:
            for title_and_id in completion.text.split("] @"):
                title, ad_id = title_and_id.strip("@]").split("@[Ad-")
                assert (title, ad_id) in candidates


@pytest.mark.parametrize("lookups", [BY_TERM, BY_BID, BY_BOTH, BY_NEED, BY_NEED_AND_TERM])
def test_a_lookup_list_learns_the_ads_and_not_their_order(lookups: str) -> None:
    mix = Mix(0.0, 0.0, (4,), foreign_share=0.0, lookup_share=1.0, lookups=(lookups,))
    for n in range(20):
        for completion in document(mix, Random(n)).completions:
            read_only = [completion.text[start:end] for start, end in completion.arbitrary]
            assert len(read_only) == 4
            assert all(text.startswith(lookups.split("{", maxsplit=1)[0]) and "@" not in text for text in read_only)


def test_after_a_need_the_term_is_learnt_too() -> None:
    mix = Mix(0.0, 0.0, (4,), foreign_share=0.0, lookup_share=1.0, lookups=(BY_NEED_AND_TERM,))
    for completion in document(mix, Random(0)).completions:
        assert all(completion.text[end:].startswith(": for ") for _, end in completion.arbitrary)


@pytest.mark.parametrize(
    ("shares", "question"), [((1.0, 0.0), "by bid"), ((0.0, 1.0), "fit best?"), ((0.0, 0.0), "earn most?")]
)
def test_a_mix_chooses_among_the_tasks_and_may_have_whole_lists(shares: tuple[float, float], question: str) -> None:
    few = Mix(0.0, 1.0, (10,), task_shares=shares)
    whole = replace(few, whole_lists=True)
    longest = {}
    for mix in (few, whole):
        examples = [document(mix, Random(n)) for n in range(30)]
        assert all(question in example.messages[-1]["content"] for example in examples)
        longest[mix] = max(completion.text.count("@[") for example in examples for completion in example.completions)
    assert longest[whole] == 8
    assert longest[few] <= 8 if question == "by bid" else longest[few] <= 5


def test_advice_names_up_to_three_ads_for_each_subject_none_twice_and_does_not_learn_the_subjects() -> None:
    mix = Mix(0.0, 0.0, (6,), foreign_share=0.0, advice_share=1.0)
    for n in range(20):
        for completion in document(mix, Random(n)).completions:
            read_only = [completion.text[start:end] for start, end in completion.arbitrary]
            assert len(read_only) == len(set(read_only)) <= 4
            assert all(text.startswith("On ") and text.endswith(": ") for text in read_only)
            for advice in completion.text.split("On ")[1:]:
                ad_ids = re.findall(r"@\[(.+?)\]", advice)
                assert 1 <= len(ad_ids) <= 3
                assert len(set(ad_ids)) == len(ad_ids)


def test_advice_on_feeds_mostly_names_an_ad_with_a_searched_word_first() -> None:
    mix = Mix(0.0, 0.0, (6,), foreign_share=1.0, advice_share=1.0)
    hits = []
    for n in range(20):
        for completion in document(mix, Random(n)).completions:
            for start, end in completion.arbitrary:
                wanted = completion.text[start:end].removeprefix("On ").removesuffix(": ").split()
                title = re.search(r"@([^@]+)@\[", completion.text[end:])
                assert title
                hits.append(any(word in title[1].lower() for word in wanted))
    assert sum(hits) > 0.8 * len(hits)


def test_an_answer_on_feeds_introduces_an_ad_by_what_was_searched_for() -> None:
    scene = random_scene(10, True, Random(2))
    for item in scene.ads:
        found = replace_question(scene, f"{search_words(item, Random(3))} nowhere")
        assert term_for(found, item) in found.auction.query.text.split()
        assert term_for(replace_question(scene, "nowhere"), item) == item.term


def test_a_scene_under_another_topic_values_other_ads() -> None:
    scene = random_scene(10, False, Random(5))
    for topic in {item.topic for item in scene.ads if item.topic}:
        about = replace_topic(scene, topic)
        assert about.subject == topic.name
        assert about.auction == scene.auction
        best = max(range(10), key=lambda i: about.relevance[i])
        assert scene.ads[best].topic == topic


def test_knowledge_has_no_ads_and_says_what_the_question_is_about() -> None:
    mix = Mix(0.0, 0.0, (6,), foreign_share=0.0, knowledge_share=1.0)
    for n in range(20):
        example = document(mix, Random(n))
        assert example.messages[-1]["content"].endswith("Ads:")
        (subject,) = {completion.text.partition(":")[0] for completion in example.completions}
        assert subject.removeprefix("On ") in topics()


def test_a_copy_document_learns_all_but_the_first_letters() -> None:
    for completion in document(COPY, Random(0)).completions:
        firsts = [completion.text[start:end] for start, end in completion.arbitrary]
        assert firsts == [link[0] for link in completion.text.removeprefix("@").split("] @")]


@pytest.mark.parametrize(
    "mix",
    [
        COPY,
        ANSWERS,
        Mix(0.0, 1.0, (4,)),
        Mix(0.0, 0.0, (4,), lookup_share=1.0),
        Mix(0.0, 0.0, (4,), advice_share=1.0),
    ],
)
def test_a_prompt_has_several_completions_none_of_them_twice(mix: Mix) -> None:
    numbers = []
    for n in range(40):
        texts = [completion.text for completion in document(mix, Random(n)).completions]
        assert len(set(texts)) == len(texts)
        numbers.append(len(texts))
    assert sum(numbers) > 1.5 * len(numbers)


def test_completions_are_learnt_as_if_each_were_alone_after_its_prompt() -> None:
    example = document(ANSWERS, Random(3))
    tokenizer = train_tokenizer([example.messages[-1]["content"]], vocabulary=400, context=2048)
    model = build_model(tokenizer, hidden=32, layers=2)
    prompt = tokenizer.apply_chat_template(example.messages, tokenize=False, add_generation_prompt=True)
    expected = torch.zeros(())
    for completion in example.completions:
        ids = tokenizer(prompt + completion.text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        ids = torch.cat([ids, torch.tensor([[tokenizer.eos_token_id]])], dim=1)
        start = len(tokenizer(prompt, add_special_tokens=False)["input_ids"])
        logits = model(ids).logits[0, start - 1 : -1]
        expected += torch.nn.functional.cross_entropy(logits, ids[0, start:], reduction="sum")
    use_shared_prefix(model)
    torch.testing.assert_close(completions_loss(model, [tokenized(tokenizer, example)]), expected)


def random_scene_candidates(content: str) -> set[tuple[str, str]]:
    lines = [json.loads(line) for line in content.split("Ads:\n")[1].splitlines()]
    return {(line["title"], line["id"].removeprefix("Ad-")) for line in lines}


def test_the_tokenizer_loses_nothing_and_keeps_small_numbers_whole() -> None:
    rng = Random(0)
    texts = [document(ANSWERS, rng).messages[-1]["content"] for _ in range(200)]
    tokenizer = train_tokenizer(texts, vocabulary=700, context=512)
    for text in (*texts[:20], "Größe 4½ – 日本 🙂 @x@[Ad-100]"):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    for number in (1, 9, 10, 57, 99, 100):
        assert len(tokenizer(str(number), add_special_tokens=False)["input_ids"]) == 1


def test_an_interrupted_training_ends_with_the_same_model(tmp_path: Path) -> None:
    pretrain(TINY, tmp_path / "whole", lambda log: None)

    class Killed(Exception):
        pass

    def kill(*args: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        # The step after the second checkpoint never comes.
        drawn = TINY.tokenizer_documents + 4 * TINY.stages[0].documents
        patch.setattr("llm_auction.base.pretrain.document", _after(drawn, kill))
        pretrain(TINY, tmp_path / "parts", lambda log: None)
    assert json.loads((tmp_path / "parts" / "checkpoint" / "state.json").read_text())["step"] == 4
    pretrain(TINY, tmp_path / "parts", lambda log: None)
    whole, parts = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert all((whole[name] == parts[name]).all() for name in whole)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        assert (tmp_path / "whole" / name).read_text() == (tmp_path / "parts" / name).read_text(), name


def _after(calls: int, then: object) -> object:
    """`document`, until it has been called so often."""
    count = 0

    def draw(mix: Mix, rng: Random) -> object:
        nonlocal count
        count += 1
        if count > calls:
            then()  # type: ignore[operator]
        return document(mix, rng)

    return draw


def test_the_card_says_what_the_training_was_and_what_the_model_can_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_auction.base.card.CANDIDATES", (2,))
    write_card(pretrain(TINY, tmp_path, lambda log: None), TINY, prompts=2)
    card = (tmp_path / "README.md").read_text()
    assert "6 steps of 2 documents (seed 0)" in card
    assert "| 2 | of the bundled world |" in card
    assert "| 2 | like real feeds |" in card


def test_answers_insert_ads_of_the_prompt_mostly_in_the_right_format() -> None:
    rng = Random(5)
    inserted = errors = 0
    for _ in range(100):
        state = rng.getstate()
        mix = Mix(0.0, 0.0, (6,))
        example = document(mix, rng)
        rng.setstate(state)
        rng.choice(mix.candidates)
        scene = random_scene(6, rng.random() < mix.foreign_share, rng)
        rng.setstate(state)
        document(mix, rng)
        for completion in example.completions:
            parsed = parse_answer(completion.text, scene.auction.candidates)
            inserted += len(parsed.ad_ids)
            errors += parsed.format_errors
    assert inserted > 300
    assert 0.0 < errors / (inserted + errors) < 0.15
