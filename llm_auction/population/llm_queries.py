"""Questions that the User-LLM writes for generated users, as in the paper (arXiv 2512.10551, section 5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llm_auction.catalog.rows import RejectedRow
from llm_auction.market import Query, UserProfile
from llm_auction.population.generator import generate_profiles
from llm_auction.population.query_files import MAX_QUERY_LENGTH
from llm_auction.population.split import split_users
from llm_auction.population.users import Population
from llm_auction.profiles.schema import PopulationConfig
from llm_auction.prompts.user_llm import query_writer_messages
from llm_auction.seeds import derive_seed
from llm_auction.serving.structured import Missing, Question, Reply, StructuredModel
from llm_auction.world.topics import Topic

SOURCE = "user_llm"


class WrittenQuestions(Reply):
    """What the model writes for one user."""

    questions: list[str]


def write_population(
    config: PopulationConfig, topics: Mapping[str, Topic], model: StructuredModel, template: str, seed: int
) -> Population:
    """The generated users, with questions that the User-LLM writes from their profiles.

    A user for whom it wrote nothing usable asks nothing, and stands among the rejected rows.

    Raises:
        ValueError: that happened to more users than `max_rejected_share` allows, or a side of the split is empty.
        ServerError: the server can't be used; what was written stays in the cache.
    """
    profiles = generate_profiles(config.profiles, topics, seed)
    questions = [
        Question(
            query_writer_messages(profile, config.queries_per_profile, template),
            WrittenQuestions,
            lambda reply: read_questions(reply, config.queries_per_profile),
            derive_seed(seed, "queries", profile.user_id),
        )
        for profile in profiles
    ]
    queries: list[Query] = []
    rejected: list[RejectedRow] = []
    replies = model.ask_all(questions)
    for number, (profile, written) in enumerate(zip(profiles, replies, strict=True), start=1):
        if isinstance(written, Missing):
            rejected.append(RejectedRow(SOURCE, number, profile.user_id, "questions", written.reason, profile.text))
        else:
            queries += _queries(profile, written)
    if len(rejected) > config.max_rejected_share * len(profiles):
        raise ValueError(
            f"the User-LLM wrote no usable questions for {len(rejected)} of {len(profiles)} users, more than "
            f"population.max_rejected_share = {config.max_rejected_share:g} allows. First: {rejected[0].reason}"
        )
    split = split_users([profile.user_id for profile in profiles], config.test_share, seed)
    population = Population(tuple(profiles), tuple(queries), split, tuple(rejected))
    population.require_both_splits()
    return population


def read_questions(reply: WrittenQuestions, count: int) -> list[str]:
    """The questions, each on one line.

    Raises:
        ValueError: another number of them, an empty or an overlong one, or the same one twice.
    """
    questions = [" ".join(text.encode("utf-8", "replace").decode("utf-8").split()) for text in reply.questions]
    if len(questions) != count:
        raise ValueError(f"{count} questions were asked for, there are {len(questions)}")
    if not all(questions):
        raise ValueError("a question is empty")
    if any(len(text) > MAX_QUERY_LENGTH for text in questions):
        raise ValueError(f"a question is longer than {MAX_QUERY_LENGTH} characters")
    if len({text.lower() for text in questions}) < count:
        raise ValueError("a question stands there twice")
    return questions


def _queries(profile: UserProfile, questions: Sequence[str]) -> list[Query]:
    return [
        Query(f"{profile.user_id}-q{number}", profile.user_id, text) for number, text in enumerate(questions, start=1)
    ]
