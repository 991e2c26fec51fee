"""What must be true after any run, whatever went wrong in it, by the tables and by the receivers.

`check` says in plain sentences what is not true. It is given what only whoever ran it can know:
what was published, the secrets, and where else to look for them.
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from core.verification.evidence import Evidence
from core.verification.limits import (
    attempted_in_a_pause,
    miscounted,
    posted_after_deletion,
    too_close,
)
from core.verification.losses import forgotten, missing, stuck, vanished
from core.verification.recipients import late, misdirected, told_too_often, told_wrongly, unheard_of
from core.verification.requests import changed, leaked, repeated, unlogged, unnamed, unsigned


class Rule(StrEnum):
    """The rule that a violation breaks."""

    LOST = "nothing is lost"
    REPEATED = "only a crash, or an owner, repeats what was accepted"
    CHANGED = "a delivery keeps its id and its bytes"
    LOGGED = "every request is in the attempt log"
    DELETED = "a deletion is final"
    PACED = "a pace is held"
    PAUSED = "a paused webhook is sent tests only"
    COUNTED = "attempts are counted, and bounded"
    LEAKED = "no secret is stored"
    MISDIRECTED = "everyone gets what is theirs"
    SIGNED = "every signature verifies"
    LATE = "a healthy address is not kept waiting"
    TOLD = "an alert is about another webhook, says no more of it than it may, and is rare"


class Violation(NamedTuple):
    rule: Rule
    sentence: str


def check(evidence: Evidence) -> list[Violation]:
    """Everything that is not as it must be: nothing, after a run that went well."""
    return [
        Violation(rule, sentence)
        for rule, finders in _FINDERS.items()
        for find in finders
        for sentence in find(evidence)
    ]


_FINDERS: dict[Rule, tuple[Callable[[Evidence], Iterator[str]], ...]] = {
    Rule.LOST: (vanished, missing, stuck, forgotten),
    Rule.REPEATED: (repeated,),
    Rule.CHANGED: (changed, unnamed),
    Rule.LOGGED: (unlogged,),
    Rule.DELETED: (posted_after_deletion,),
    Rule.PACED: (too_close,),
    Rule.PAUSED: (attempted_in_a_pause,),
    Rule.COUNTED: (miscounted,),
    Rule.LEAKED: (leaked,),
    Rule.MISDIRECTED: (misdirected, unheard_of),
    Rule.SIGNED: (unsigned,),
    Rule.LATE: (late,),
    Rule.TOLD: (told_wrongly, told_too_often),
}
