"""A check: pings that a receiver should accept or refuse, and what its reactions mean. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from core.domain.delivery import is_success
from core.domain.events import Purpose
from core.domain.language import N_, Say
from core.domain.signing import SECRET_PREFIX, Secret

GENUINE_PAYLOAD = b'{"message":"This is a test from AuraPOS."}'
TAMPERED_PAYLOAD = b'{"message":"This was changed on its way."}'

_STALE = timedelta(hours=1)
_SOMEBODY_ELSES = Secret(f"{SECRET_PREFIX}{'SomebodyElse' * 4}"[:50])


class Signing(NamedTuple):
    """What an attempt is signed with."""

    secret: Secret
    signed: bytes  # the body that the signature is of
    at: datetime  # the time that the headers tell


def signing_for(purpose: str | None, secret: Secret, body: bytes, now: datetime) -> Signing:
    """How to sign a body: rightly, but for the pings of a check that a receiver should refuse."""
    match purpose:
        case Purpose.TAMPERED:
            return Signing(secret, body.replace(TAMPERED_PAYLOAD, GENUINE_PAYLOAD), now)
        case Purpose.WRONG_SECRET:
            return Signing(_SOMEBODY_ELSES, body, now)
        case Purpose.STALE:
            return Signing(secret, body, now - _STALE)
        case _:
            return Signing(secret, body, now)


class Ping(StrEnum):
    """What a check sends, as its report calls it."""

    GOOD = N_("a good one")
    AGAIN = N_("the same once more")
    TAMPERED = N_("one that was changed on its way")
    WRONG_SECRET = N_("one with another secret")
    STALE = N_("one that is an hour old")


class Grade(StrEnum):
    """How good a receiver is, the worst first."""

    SILENT = "silent"
    REFUSES = "refuses"
    FORGEABLE = "forgeable"
    REPLAYABLE = "replayable"
    STUMBLES = "stumbles"
    SOUND = "sound"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a receiver did with a ping."""

    http_status: int | None
    error: str | None  # a delivery.ErrorKind
    response: str

    @property
    def accepted(self) -> bool:
        return is_success(self.http_status)

    def told(self, say: Say = N_) -> str:
        told = _ACCEPTED if self.accepted else _REFUSED
        if self.http_status is None:
            told = _NO_ANSWER
        return say(told).format(answer=self.answer(say))

    def answer(self, say: Say = N_) -> str:
        """The status, or the word for what came instead of one."""
        return say(self.error or "") if self.http_status is None else str(self.http_status)


@dataclass(frozen=True, slots=True)
class Report:
    reactions: Mapping[Ping, Reaction]
    findings: tuple[tuple[Grade, str], ...]  # what to mend, the gravest first; or SOUND

    @property
    def grade(self) -> Grade:
        return self.findings[0][0]

    def told(self, say: Say = N_) -> list[str]:
        """What is to be mended, in sentences."""
        answer = self.reactions[Ping.GOOD].answer(say)
        return [say(sentence).format(answer=answer) for _, sentence in self.findings]


def report(reactions: Mapping[Ping, Reaction]) -> Report:
    """What these reactions say about a receiver; the reaction to the good ping is among them."""
    reactions = {ping: reactions[ping] for ping in Ping if ping in reactions}
    good = reactions[Ping.GOOD]
    if not good.accepted:
        return Report(reactions, (_unreached(good),))
    found = tuple(
        (grade, sentence)
        for ping, (grade, should_accept, sentence) in _EXPECTED.items()
        if ping in reactions and reactions[ping].accepted is not should_accept
    )
    return Report(reactions, found or ((Grade.SOUND, _SOUND),))


def _unreached(good: Reaction) -> tuple[Grade, str]:
    return (Grade.SILENT, _SILENT) if good.http_status is None else (Grade.REFUSES, _REFUSES)


_NO_ANSWER = N_("no answer ({answer})")
_ACCEPTED = N_("accepted ({answer})")
_REFUSED = N_("refused ({answer})")
_SILENT = N_("Your server gave no answer ({answer}), so nothing is known of it: see to that first.")
_REFUSES = N_(
    "Your server refused a request that was signed rightly ({answer}), so no event reaches it: see "
    "that it has the right secret, and verifies the body's bytes as they come."
)
_SOUND = N_(
    "Your server accepts what is signed rightly, also when it comes twice, and refuses the rest. "
    "Whether it works only once on what comes twice, its own log tells."
)
_FORGED = N_(
    "Your server accepted a request with a wrong signature: anybody can forge sales. Verify the "
    "signature, and answer 401 where it is wrong."
)
_TAMPERED = N_(
    "Your server accepted a request that was changed after it had been signed: anybody on the way "
    "can change sales. Verify the signature over the body's bytes as they come."
)
_STALE_ONE = N_(
    "Your server accepted a request that was signed an hour ago: whoever has recorded one can send "
    "it again. Refuse a webhook-timestamp that is more than five minutes off."
)
_AGAIN = N_(
    "Your server failed when a delivery came that it had accepted before: answer 2xx to one it "
    "knows, or it will be sent again and again."
)
_EXPECTED = {  # whether each one should be accepted, and what it means where it is not
    Ping.WRONG_SECRET: (Grade.FORGEABLE, False, _FORGED),
    Ping.TAMPERED: (Grade.FORGEABLE, False, _TAMPERED),
    Ping.STALE: (Grade.REPLAYABLE, False, _STALE_ONE),
    Ping.AGAIN: (Grade.STUMBLES, True, _AGAIN),
}
