"""How the pings of a check are signed, and what the reactions to them say."""

import pytest

from core.domain.checking import (
    GENUINE_PAYLOAD,
    TAMPERED_PAYLOAD,
    Grade,
    Ping,
    Reaction,
    report,
    signing_for,
)
from core.domain.events import Purpose
from core.domain.signing import Secret, build_body, wire_time
from tests.support.scene import NOON, SECOND

SECRET = Secret("whsec_" + "Abc1" * 11)
UUID_OF_ONE = "7f3a1c52-0000-4000-8000-000000000000"
GENUINE = build_body("ping", UUID_OF_ONE, wire_time(NOON), GENUINE_PAYLOAD)
TAMPERED = build_body("ping", UUID_OF_ONE, wire_time(NOON), TAMPERED_PAYLOAD)
TAKEN, REFUSED, BROKEN = Reaction(200, None, ""), Reaction(401, None, ""), Reaction(500, None, "")
SILENT = Reaction(None, "timeout", "")
AS_IT_SHOULD_BE = {
    Ping.GOOD: TAKEN,
    Ping.AGAIN: TAKEN,
    Ping.TAMPERED: REFUSED,
    Ping.WRONG_SECRET: REFUSED,
    Ping.STALE: REFUSED,
}


@pytest.mark.parametrize("purpose", [None, Purpose.SAMPLE, Purpose.CHECK])
def test_what_is_to_be_accepted_is_signed_rightly(purpose: Purpose | None) -> None:
    signing = signing_for(purpose, SECRET, GENUINE, NOON)
    assert (signing.secret, signing.signed, signing.at) == (SECRET, GENUINE, NOON)


def test_one_that_was_changed_on_its_way_bears_the_signature_of_what_it_was() -> None:
    signing = signing_for(Purpose.TAMPERED, SECRET, TAMPERED, NOON)
    assert (signing.secret, signing.signed, signing.at) == (SECRET, GENUINE, NOON)


def test_another_secret_signs_in_both_manners() -> None:
    signing = signing_for(Purpose.WRONG_SECRET, SECRET, GENUINE, NOON)
    assert signing.secret != SECRET
    assert (signing.signed, signing.at) == (GENUINE, NOON)
    assert signing.secret.is_standard
    assert signing.secret.sign_standard(UUID_OF_ONE, 0, GENUINE).startswith("v1,")


def test_an_old_one_is_older_than_any_receiver_allows_for() -> None:
    signing = signing_for(Purpose.STALE, SECRET, GENUINE, NOON)
    assert (signing.secret, signing.signed) == (SECRET, GENUINE)
    assert NOON - signing.at == 3600 * SECOND


@pytest.mark.parametrize(
    ("reactions", "grades", "words"),
    [
        ({}, [Grade.SOUND], "refuses the rest"),
        ({Ping.WRONG_SECRET: TAKEN}, [Grade.FORGEABLE], "anybody can forge sales"),
        ({Ping.TAMPERED: TAKEN}, [Grade.FORGEABLE], "changed after it had been signed"),
        ({Ping.STALE: TAKEN}, [Grade.REPLAYABLE], "signed an hour ago"),
        ({Ping.AGAIN: BROKEN}, [Grade.STUMBLES], "answer 2xx to one it knows"),
        ({Ping.AGAIN: SILENT}, [Grade.STUMBLES], "answer 2xx to one it knows"),
        ({Ping.TAMPERED: BROKEN, Ping.WRONG_SECRET: SILENT}, [Grade.SOUND], "refuses the rest"),
        ({Ping.GOOD: REFUSED}, [Grade.REFUSES], "signed rightly (401)"),
        ({Ping.GOOD: SILENT, Ping.TAMPERED: TAKEN}, [Grade.SILENT], "no answer (timeout)"),
        (
            {Ping.AGAIN: BROKEN, Ping.WRONG_SECRET: TAKEN, Ping.STALE: TAKEN},
            [Grade.FORGEABLE, Grade.REPLAYABLE, Grade.STUMBLES],
            "anybody can forge sales",
        ),
    ],
)
def test_the_report_says_what_is_to_be_mended_the_gravest_first(
    reactions: dict[Ping, Reaction], grades: list[Grade], words: str
) -> None:
    found = report({**AS_IT_SHOULD_BE, **reactions})
    assert [grade for grade, _ in found.findings] == grades
    assert found.grade is grades[0]
    assert words in found.told()[0]


def test_without_an_old_one_nothing_is_said_of_age() -> None:
    sent = {ping: each for ping, each in AS_IT_SHOULD_BE.items() if ping is not Ping.STALE}
    assert report(sent).grade is Grade.SOUND


@pytest.mark.parametrize(
    ("reaction", "words"),
    [(TAKEN, "accepted (200)"), (REFUSED, "refused (401)"), (SILENT, "no answer (timeout)")],
)
def test_a_reaction_in_words(reaction: Reaction, words: str) -> None:
    assert reaction.told() == words


def test_what_came_instead_of_an_answer_is_said_in_the_language_of_the_rest() -> None:
    words = {"no answer ({answer})": "pas de réponse ({answer})", "timeout": "trop lent"}
    assert SILENT.told(words.__getitem__) == "pas de réponse (trop lent)"
