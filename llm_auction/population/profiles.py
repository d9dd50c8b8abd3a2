"""The sentence forms of synthetic user profiles, and the one function that writes a profile.

A profile is the paper's h: basic information (age, occupation, household, region) and interests, in one sentence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

PROFILE_FORMS = (
    "{age}-year-old {occupation} from {region}, interested in {interests}.",
    "{occupation}, {age}, {household}, from {region}; likes {interests}.",
    "{age}, {occupation}, {household}; cares about {interests}.",
    "{occupation} ({age}) from {region} who enjoys {interests}.",
    "{household}, {age}, {occupation}; follows {interests}.",
    "{age}-year-old {occupation}, {household}, keen on {interests}.",
)

OCCUPATIONS = (
    "accountant", "actor", "architect", "baker", "bank clerk", "barber", "bookseller", "bus driver", "carpenter",
    "chef", "civil engineer", "cleaner", "data analyst", "dentist", "electrician", "farmer", "firefighter",
    "flight attendant", "florist", "gardener", "graphic designer", "hotel manager", "interpreter", "journalist",
    "lab technician", "lawyer", "librarian", "mechanic", "midwife", "musician", "nurse", "optician", "paramedic",
    "pharmacist", "photographer", "physiotherapist", "plumber", "police officer", "postal worker", "programmer",
    "project manager", "receptionist", "researcher", "sales assistant", "school teacher", "social worker",
    "tailor", "taxi driver", "truck driver", "vet", "waiter", "welder",
)  # fmt: skip
REGIONS = (
    "a small town", "a big city", "a village", "the coast", "the mountains", "a suburb", "a university town",
    "the north", "the south", "a lakeside town", "an island", "a farm", "the old town", "a valley", "the capital",
)  # fmt: skip
HOUSEHOLDS = (
    "single", "married", "living alone", "sharing a flat", "newly engaged", "living with a partner", "recently moved",
    "in a big family",
)  # fmt: skip
# Households that fit an age span only (years, inclusive).
HOUSEHOLDS_BY_AGE = (
    (18, 30, "living with parents"),
    (22, 45, "parent of a toddler"),
    (26, 55, "parent of two"),
    (28, 55, "parent of three"),
    (24, 60, "single parent"),
    (52, 79, "grandparent"),
    (50, 79, "grown-up children"),
)
YOUNGEST, OLDEST = 18, 79
STUDENTS_UNTIL, STUDENT_SHARE, RETIRED_FROM = 24, 0.5, 67


def write_profile(interests: Sequence[str], rng: np.random.Generator) -> str:
    """One sentence of at most 25 words about a user with these interests (topic names, 1 to 4)."""
    age = int(rng.integers(YOUNGEST, OLDEST + 1))
    households = (*HOUSEHOLDS, *(name for low, high, name in HOUSEHOLDS_BY_AGE if low <= age <= high))
    household = households[rng.integers(len(households))]
    occupation = OCCUPATIONS[rng.integers(len(OCCUPATIONS))]
    if age <= STUDENTS_UNTIL and rng.random() < STUDENT_SHARE:
        occupation = "student"
    elif age >= RETIRED_FROM:
        occupation = f"retired {occupation}"
    form = PROFILE_FORMS[rng.integers(len(PROFILE_FORMS))]
    sentence = form.format(
        age=age,
        occupation=occupation,
        household=household,
        region=REGIONS[rng.integers(len(REGIONS))],
        interests=_join(interests),
    )
    return sentence[0].upper() + sentence[1:]


def _join(names: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
