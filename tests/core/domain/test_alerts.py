"""What an owner is told of a webhook follows from how it is and from what was told before."""

import json
from datetime import timedelta

import pytest

from core.domain.alerts import (
    APART,
    About,
    Condition,
    Edge,
    Kind,
    Look,
    Told,
    alert_payload,
    alert_text,
    look,
)
from core.domain.chat import chat_text
from core.domain.language import Language
from core.wording import wording
from tests.support.scene import DAY, MINUTE, NOON, SECOND

KEEP = 90 * DAY
HOUR = timedelta(hours=1)
LATER = NOON + 30 * MINUTE
NOTHING: dict[Kind, Told] = {}


def told(looked: Look) -> list[tuple[Kind, object]]:
    return [(edge.kind, edge.since) for edge in looked.tell]


def test_of_a_webhook_that_is_well_nothing_is_told_and_nobody_looks_again() -> None:
    assert look(Condition(), NOTHING, KEEP, NOON) == Look([], None)


def test_an_outage_is_told_once_it_has_lasted_half_an_hour() -> None:
    down = Condition(down_since=NOON)
    assert look(down, NOTHING, KEEP, LATER - SECOND) == Look([], LATER)
    assert told(look(down, NOTHING, KEEP, LATER)) == [(Kind.FAILING, NOON)]


def test_what_was_abandoned_is_told_at_once() -> None:
    lost = Condition(down_since=NOON, lost_since=NOON + MINUTE)
    assert told(look(lost, NOTHING, KEEP, NOON + MINUTE)) == [(Kind.FAILING, NOON)]
    assert told(look(Condition(lost_since=NOON), NOTHING, KEEP, NOON)) == [(Kind.FAILING, NOON)]


def test_that_it_is_back_is_told_to_whoever_was_told_that_it_fails() -> None:
    back = Condition(up_since=LATER + MINUTE)
    before = {Kind.FAILING: Told(LATER, NOON)}
    [edge] = look(back, before, KEEP, LATER + 2 * MINUTE).tell
    assert (edge.kind, edge.since, edge.time) == (Kind.BACK, LATER + MINUTE, 31 * MINUTE)
    assert look(back, NOTHING, KEEP, LATER) == Look([], None)
    known = before | {Kind.BACK: Told(LATER + 2 * MINUTE, LATER + MINUTE)}
    assert look(back, known, KEEP, LATER + DAY) == Look([], None)


def test_a_2xx_after_something_was_abandoned_without_an_outage_is_told_as_of_now() -> None:
    before = {Kind.FAILING: Told(LATER, LATER)}
    earlier = Condition(up_since=NOON)
    assert told(look(earlier, before, KEEP, LATER + MINUTE)) == [(Kind.BACK, LATER + MINUTE)]


def test_what_is_held_back_for_an_hour_is_told_then_if_it_still_holds() -> None:
    before = {Kind.FAILING: Told(NOON, NOON), Kind.BACK: Told(NOON + MINUTE, NOON + MINUTE)}
    again = Condition(lost_since=NOON + 2 * MINUTE)
    assert look(again, before, KEEP, NOON + 2 * MINUTE) == Look([], NOON + APART)
    assert told(look(again, before, KEEP, NOON + APART)) == [(Kind.FAILING, NOON + 2 * MINUTE)]
    over = Condition(up_since=NOON + 3 * MINUTE)
    assert look(over, before, KEEP, NOON + APART) == Look([], None)


def test_who_knows_that_it_fails_is_not_told_again_because_it_was_back_for_a_moment() -> None:
    before = {Kind.BACK: Told(NOON, NOON), Kind.FAILING: Told(NOON + MINUTE, NOON + MINUTE)}
    back = Condition(up_since=NOON + 2 * MINUTE)
    assert look(back, before, KEEP, NOON + 2 * MINUTE) == Look([], NOON + APART)
    down = Condition(down_since=NOON + 3 * MINUTE)
    assert look(down, before, KEEP, NOON + 2 * HOUR) == Look([], None)


def test_a_certificate_is_told_once_and_so_is_the_next_one() -> None:
    ends = NOON + 6 * DAY
    [edge] = look(Condition(certificate_until=ends), NOTHING, KEEP, NOON).tell
    assert edge == Edge(Kind.CERTIFICATE, ends - 7 * DAY, ends - 7 * DAY, 6 * DAY)
    before = {Kind.CERTIFICATE: Told(NOON, edge.since)}
    assert look(Condition(certificate_until=ends), before, KEEP, NOON + DAY) == Look([], None)
    renewed = Condition(certificate_until=ends + DAY)
    assert told(look(renewed, before, KEEP, NOON + DAY)) == [(Kind.CERTIFICATE, ends - 6 * DAY)]
    assert look(Condition(certificate_until=NOON), NOTHING, KEEP, NOON) == Look([], None)


def test_what_is_parked_is_told_a_week_before_it_is_given_up_once_a_pause() -> None:
    parked = Condition(paused_at=NOON, parked_since=NOON + DAY)
    due = NOON + DAY + KEEP - 7 * DAY
    assert look(parked, NOTHING, KEEP, NOON + 2 * DAY) == Look([], due)
    [edge] = look(parked, NOTHING, KEEP, due).tell
    assert edge == Edge(Kind.PARKED, NOON, due, 7 * DAY)
    assert look(parked, {Kind.PARKED: Told(due, NOON)}, KEEP, due + DAY) == Look([], None)


def test_a_pause_in_which_nothing_is_parked_yet_is_looked_at_when_that_could_matter() -> None:
    paused = Condition(paused_at=NOON)
    assert look(paused, NOTHING, KEEP, NOON) == Look([], NOON + KEEP - 7 * DAY)
    assert look(paused, NOTHING, 3 * DAY, NOON) == Look([], NOON + HOUR), "and not at once again"


URL = "https://hooks.example.com:8443/services/T000/B000/secret-part-wxyz?token=hidden"


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", Kind)
def test_an_alert_names_the_host_and_the_path_s_end_and_no_more(
    kind: Kind, language: Language
) -> None:
    about = About(7, URL, "Till", 41)
    payload = json.loads(alert_payload(Edge(kind, NOON, NOON, 3 * HOUR), about, wording(language)))
    assert list(payload) == ["kind", "webhook", "since", "text"]
    assert payload["kind"] == kind
    assert payload["webhook"] == {"id": 7, "host": "hooks.example.com:8443"}
    assert payload["since"] == "2026-05-17T12:00:00.000Z"
    text = payload["text"]
    assert text.startswith("Till (hooks.example.com:8443 …wxyz) ")
    assert "3 " in text
    assert ("41 " in text) == (kind is Kind.PARKED)
    assert "part" not in text
    assert "hidden" not in text


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (
            "en",
            """
            example.com is failing · nothing accepted for 90 min
            example.com is back · it had been failing for 90 min
            example.com · its certificate ends in 90 min
            example.com is paused · 41 deliveries are parked, and the oldest are abandoned in 90 min
            unless it is resumed""",
        ),
        (
            "fr",
            """
            example.com est en échec · rien n’est accepté depuis 90 min
            example.com est de retour · l’échec a duré 90 min
            example.com · son certificat expire dans 90 min
            example.com est en pause · 41 livraisons attendent, et les plus anciennes seront
            abandonnées dans 90 min sans reprise""",
        ),
        (
            "nl",
            """
            example.com faalt · al 90 min niets aanvaard
            example.com is terug · het falen duurde 90 min
            example.com · het certificaat vervalt over 90 min
            example.com is gepauzeerd · 41 leveringen wachten, en de oudste worden over 90 min
            opgegeven als de pauze duurt""",
        ),
    ],
)
def test_what_receivers_get_stays_as_it_was(language: str, told: str) -> None:
    about, speaks = About(7, "https://example.com", "", 41), wording(Language(language))
    edges = [Edge(kind, NOON, NOON, 90 * MINUTE) for kind in Kind]
    sentences = [alert_text(edge, about, speaks) for edge in edges]
    assert " ".join(sentences) == " ".join(told.split())


@pytest.mark.parametrize(
    ("time", "spans"),
    [
        (3 * HOUR, {"en": "3 h", "fr": "3 h", "nl": "3 uur"}),
        (3 * DAY, {"en": "3 days", "fr": "3 jours", "nl": "3 dagen"}),
    ],
)
def test_a_time_is_told_in_its_largest_unit(time: timedelta, spans: dict[str, str]) -> None:
    edge, about = Edge(Kind.BACK, NOON, NOON, time), About(7, "https://example.com")
    for language, span in spans.items():
        assert alert_text(edge, about, wording(Language(language))).endswith(f" {span}")


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://example.com/", "example.com is"),
        ("https://example.com/ab", "example.com …/ab is"),
        ("https://example.com/hook/", "example.com …hook is"),
    ],
)
def test_a_short_path_is_its_own_end(url: str, place: str) -> None:
    edge = Edge(Kind.FAILING, NOON, NOON, 90 * MINUTE)
    text = json.loads(alert_payload(edge, About(1, url), wording(Language.ENGLISH)))["text"]
    assert text == f"{place} failing · nothing accepted for 90 min"


def test_a_chat_is_told_the_sentence() -> None:
    edge = Edge(Kind.FAILING, NOON, NOON, 3 * DAY)
    french = wording(Language.FRENCH)
    payload = alert_payload(edge, About(1, "https://example.com/hook"), french)
    line = chat_text("alert", payload.decode(), french)
    assert line.endswith("…hook est en échec · rien n’est accepté depuis 3 jours")
