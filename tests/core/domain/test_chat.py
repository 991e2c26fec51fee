"""The line a person reads in a chat: one for each event, in three languages, and harmless."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.chat import LIMIT, TITLES, chat_text
from core.domain.events import EventType
from core.domain.language import Language
from core.wording import wording
from tests.support.hostile import BODIES, harmful

TICKET = (
    '{"id":7,"numero":"1234","mode_paiement":"Bancontact","lignes":[{},{},{}],"total_tvac":55.10}'
)
CLIENT = '{"id":12,"prenom":"Amélie","nom":"Dubois","points_fidelite":10}'
PRODUIT = '{"id":3,"nom":"Moules-frites","prix_tvac":27.00,"taux_tva":12}'
PROMOTION = '{"id":5,"nom":"Happy hour","debut":"2026-05-17","fin":"2026-05-24","remise_pct":10.00}'
ENGLISH = wording(Language.ENGLISH)


@pytest.mark.parametrize(
    ("language", "event_type", "payload", "line"),
    [
        ("en", "ticket.created", TICKET, "Ticket 1234 · 55.10 € · Bancontact · 3 lines"),
        ("fr", "ticket.created", TICKET, "Ticket 1234 · 55,10 € · Bancontact · 3 lignes"),
        ("nl", "ticket.created", TICKET, "Ticket 1234 · € 55,10 · Bancontact · 3 regels"),
        (
            "en",
            "ticket.cancelled",
            TICKET,
            "Ticket 1234 cancelled · 55.10 € · Bancontact · 3 lines",
        ),
        ("fr", "ticket.cancelled", TICKET, "Ticket 1234 annulé · 55,10 € · Bancontact · 3 lignes"),
        (
            "nl",
            "ticket.cancelled",
            TICKET,
            "Ticket 1234 geannuleerd · € 55,10 · Bancontact · 3 regels",
        ),
        ("en", "client.created", CLIENT, "New customer Amélie Dubois · 10 points"),
        ("fr", "client.created", CLIENT, "Nouveau client Amélie Dubois · 10 points"),
        ("nl", "client.created", CLIENT, "Nieuwe klant Amélie Dubois · 10 punten"),
        ("en", "client.updated", CLIENT, "Customer Amélie Dubois changed · 10 points"),
        ("en", "produit.updated", PRODUIT, "Product Moules-frites updated · 27.00 €"),
        ("fr", "produit.updated", PRODUIT, "Produit Moules-frites mis à jour · 27,00 €"),
        ("nl", "produit.updated", PRODUIT, "Product Moules-frites bijgewerkt · € 27,00"),
        (
            "en",
            "promotion.created",
            PROMOTION,
            "New promotion Happy hour · 10.00 % off · from 2026-05-17 · until 2026-05-24",
        ),
        (
            "fr",
            "promotion.updated",
            PROMOTION.replace('"fin"', '"other"'),
            "Promotion Happy hour modifiée · remise de 10,00 % · à partir du 2026-05-17",
        ),
        (
            "nl",
            "promotion.created",
            PROMOTION.replace('"debut"', '"other"'),
            "Nieuwe promotie Happy hour · 10,00 % korting · tot en met 2026-05-24",
        ),
        ("en", "ping", '{"message":"hello"}', "This is a test from AuraPOS."),
        ("fr", "ping", "{}", "Ceci est un test d’AuraPOS."),
        ("nl", "ping", "{}", "Dit is een test van AuraPOS."),
        ("en", "alert", '{"kind":"failing","text":"It fails."}', "It fails."),
        ("en", "alert", "{}", "A message from AuraPOS."),
        ("en", "loyalty.redeemed", TICKET, "loyalty\u2024redeemed"),
    ],
)
def test_each_event_has_its_line(language: str, event_type: str, payload: str, line: str) -> None:
    assert chat_text(event_type, payload, wording(Language(language))) == line


_FEW = '{"numero":"A-7","nom":"N","points_fidelite":1,"lignes":[0],"total_tvac":1.5}'


@pytest.mark.parametrize(
    ("language", "event_type", "line"),
    [
        ("fr", "ticket.created", "Ticket A-7 · 1,5 € · 1 ligne"),
        ("fr", "client.created", "Nouveau client N · 1 point"),
        ("fr", "client.updated", "Client N modifié · 1 point"),
        ("fr", "promotion.created", "Nouvelle promotion N"),
        ("fr", "alert", "Un message d’AuraPOS."),
        ("nl", "ticket.created", "Ticket A-7 · € 1,5 · 1 regel"),
        ("nl", "client.created", "Nieuwe klant N · 1 punt"),
        ("nl", "client.updated", "Klant N gewijzigd · 1 punt"),
        ("nl", "promotion.updated", "Promotie N gewijzigd"),
        ("nl", "alert", "Een bericht van AuraPOS."),
    ],
)
def test_what_receivers_get_stays_as_it_was(language: str, event_type: str, line: str) -> None:
    assert chat_text(event_type, _FEW, wording(Language(language))) == line


@pytest.mark.parametrize(
    ("language", "line"),
    [("en", "Ticket · 0 lines"), ("fr", "Ticket · 0 lignes"), ("nl", "Ticket · 0 regels")],
)
def test_none_is_told_as_many_are(language: str, line: str) -> None:
    """Receivers have had it so from the first day, though French would say `0 ligne`."""
    assert chat_text("ticket.created", '{"lignes":[]}', wording(Language(language))) == line


def test_a_text_that_looks_like_a_place_for_a_value_stays_text() -> None:
    payload = '{"numero":"{line} {0}","sample":true}'
    shown = chat_text("ticket.created", payload, ENGLISH)
    assert shown == "Sample: Ticket {line} {0}"


def test_there_is_a_line_for_every_event() -> None:
    assert set(EventType) <= set(TITLES)


@pytest.mark.parametrize(
    ("language", "begins"), [("en", "Sample: "), ("fr", "Exemple : "), ("nl", "Voorbeeld: ")]
)
def test_a_sample_says_so_first(language: str, begins: str) -> None:
    sample = '{"sample":true,' + TICKET[1:]
    line = chat_text("ticket.created", sample, wording(Language(language)))
    assert line.removeprefix(begins) == chat_text(
        "ticket.created", TICKET, wording(Language(language))
    )


@pytest.mark.parametrize(
    ("event_type", "payload", "line"),
    [
        ("ticket.created", "{}", "Ticket"),
        ("ticket.cancelled", '{"numero":null,"total_tvac":"much"}', "Ticket cancelled"),
        ("ticket.created", '{"id":7,"lignes":[]}', "Ticket 7 · 0 lines"),
        ("ticket.created", '{"reference":"A-7","lignes":[1]}', "Ticket A-7 · 1 line"),
        ("ticket.created", '{"numero":true,"code":"C1"}', "Ticket C1"),
        ("ticket.created", '{"mode_paiement":{"a":1},"lignes":3}', "Ticket"),
        ("client.created", '{"nom":"Dubois"}', "New customer Dubois"),
        ("client.updated", '{"id":12,"points_fidelite":1}', "Customer 12 changed · 1 point"),
        ("promotion.created", '{"fin":"2026-05-24"}', "New promotion · until 2026-05-24"),
        ("produit.updated", "[1, 2]", "Product updated"),
        ("produit.updated", "not JSON", "Product updated"),
        ("produit.updated", '{"nom":"a","nom":"b"}', "Product b updated"),
    ],
)
def test_what_is_missing_or_odd_is_left_out(event_type: str, payload: str, line: str) -> None:
    assert chat_text(event_type, payload, ENGLISH) == line


@pytest.mark.parametrize("number", ["55.10", "-3.50", "0", "1e400", "12345678901234567890", "-0.0"])
def test_numbers_stay_as_the_producer_wrote_them(number: str) -> None:
    line = chat_text("ticket.created", f'{{"total_tvac":{number}}}', ENGLISH)
    assert line == f"Ticket · {number} €"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("<!here>", "＜!here＞"),
        ("@channel", "＠channel"),
        ("<@U012|Anna>", "＜＠U012｜Anna＞"),
        ("*bold* _it_ ~gone~ `code`", "＊bold＊ ＿it＿ ～gone～ ｀code｀"),
        ("Dupont & Fils", "Dupont ＆ Fils"),
        ("https://evil.example/x", "https：//evil\u2024example/x"),
        ("[free](evil.example)", "［free］(evil\u2024example)"),
        (":poop:", "：poop："),
        ("M. Dupont", "M. Dupont"),
        ("{} {0} {name}", "{} {0} {name}"),
        ("a\n*b*\t c", "a ＊b＊ c"),
        ("gpj\u202e.exe", "gpj⟨202E⟩\u2024exe"),
        ("\x1b[31mred", "␛［31mred"),
        ("\\ud800", "⟨D800⟩"),
    ],
)
def test_text_from_customers_cannot_mention_link_or_format(name: str, shown: str) -> None:
    payload = json.dumps({"nom": name}).replace("\\\\ud800", "\\ud800")
    assert chat_text("client.created", payload, ENGLISH) == f"New customer {shown}"


@pytest.mark.parametrize(
    "payload", ["[" * 100_000, '{"total_tvac":NaN}', '"\x00', "9" * 10_000, ""]
)
def test_what_cannot_be_read_still_has_its_line(payload: str) -> None:
    assert chat_text("ticket.created", payload, ENGLISH) == "Ticket"


KEYS = st.sampled_from(
    [
        *("numero", "id", "reference", "code", "nom", "prenom", "total_tvac", "prix_tvac"),
        *("mode_paiement", "lignes", "points_fidelite", "remise_pct", "debut", "fin", "text"),
        "sample",
    ]
)
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=[])),
    st.sampled_from(
        [*(body.decode("latin-1") for body in BODIES.values()), "x" * 9_999, "&" * 999]
    ),
    st.integers(),
    st.floats(),
    st.none() | st.booleans(),
    st.lists(st.integers(), max_size=3),
)


@given(
    st.sampled_from([*EventType, "alert", "<!here>"]),
    st.dictionaries(KEYS, VALUES),
    st.sampled_from(Language),
)
def test_whatever_comes_the_line_is_one_bounded_and_harmless(
    event_type: str, payload: dict[str, object], language: Language
) -> None:
    line = chat_text(event_type, json.dumps(payload), wording(language))
    assert 0 < len(line) <= LIMIT
    assert not harmful(line, allowed="")
    assert not re.search(r"[&<>@#*_~`|\[\]\\]|\.[^\W\d]|:/", line)
    line.encode()
