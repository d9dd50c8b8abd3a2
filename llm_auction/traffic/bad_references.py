"""Events that are sound in themselves and wrong beside the others: one function a reason.

Each returns None where this answer can't be spoilt so: a click on an ad that is shown and not clicked needs such an ad.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from llm_auction.traffic.bad_events import WRONG_IN_THEMSELVES
from llm_auction.traffic.clock import HOUR, SECOND, day_of, rfc3339
from llm_auction.traffic.events import Event, click_event, conversion_event, identity
from llm_auction.traffic.spoiling import AFTER_THE_ANSWER, BadEvent, Victim


def conflicting_event_id(victim: Victim) -> BadEvent | None:
    return _on_the_same_day(victim, {**victim.event, "answer": f"{victim.event['answer']} Really."})


def duplicate_response_id(victim: Victim) -> BadEvent | None:
    changes = {"ts": rfc3339(victim.time_us + SECOND), "answer": f"{victim.event['answer']} Really."}
    return _on_the_same_day(victim, victim.renamed({**victim.event, **changes}))


def _on_the_same_day(victim: Victim, event: Event) -> BadEvent | None:
    """Delivered on the day of the answer that it competes with."""
    bad = victim.deliver(event)
    return bad if day_of(bad.delivered_us) == day_of(victim.time_us) else None


def unknown_response(victim: Victim) -> BadEvent:
    nobody = identity("nobody", victim.response_id, victim.number)
    ad_id, time_us = str(victim.event["auction"][0]["ad_id"]), victim.time_us + SECOND
    if victim.rng.random() < 0.3:
        return victim.deliver(conversion_event(nobody, ad_id, time_us, 12.0))
    return victim.deliver(click_event(nobody, ad_id, time_us))


def ad_not_inserted(victim: Victim) -> BadEvent | None:
    others = [bid["ad_id"] for bid in victim.event["auction"] if bid["ad_id"] not in victim.inserted]
    if not others:
        return None
    return _click(victim, str(victim.pick(others)), victim.time_us + 5 * SECOND)


def before_answer(victim: Victim) -> BadEvent | None:
    if victim.unclicked is None:
        return None
    seconds = victim.rules.clock_skew_seconds + 60 + 3600 * victim.rng.random()
    return _click(victim, victim.unclicked, victim.time_us - int(seconds * SECOND))


def outside_window(victim: Victim) -> BadEvent | None:
    if victim.unclicked is None:
        return None
    late = victim.time_us + int((victim.rules.attribution_hours + 1 + 12 * victim.rng.random()) * HOUR)
    event = victim.renamed(click_event(victim.response_id, victim.unclicked, late))
    return BadEvent(event, late + AFTER_THE_ANSWER)


def conversion_without_click(victim: Victim) -> BadEvent | None:
    if victim.unclicked is None:
        return None
    event = conversion_event(victim.response_id, victim.unclicked, victim.time_us + 8 * SECOND, 15.0)
    return victim.deliver(victim.renamed(event))


def _click(victim: Victim, ad_id: str, time_us: int) -> BadEvent:
    return victim.deliver(victim.renamed(click_event(victim.response_id, ad_id, time_us)))


# The reason -> what makes an event that must be rejected for it.
MAKERS: Mapping[str, Callable[[Victim], BadEvent | None]] = {
    **WRONG_IN_THEMSELVES,
    **{
        function.__name__: function
        for function in (
            conflicting_event_id,
            duplicate_response_id,
            unknown_response,
            ad_not_inserted,
            before_answer,
            outside_window,
            conversion_without_click,
        )
    },
}
