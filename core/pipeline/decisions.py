"""What the choices of webhooks make of an event. It is decided outside of fan-out's transaction,
since others wait while that lasts.

A transaction that needs a decision which was not taken yet ends without writing anything. It is
tried again once the decision has been taken.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from core.domain.choices import Format
from core.domain.conditions import Facts, all_hold, read_facts
from core.domain.language import Language
from core.domain.signing import build_chat_body
from core.storage.choosing import conditions_in
from core.storage.database import connection, one_of
from core.storage.models import Event
from core.storage.outbox import Receiver
from core.wording import wording

_AT_ONCE = 50  # events whose payloads are read together


class Decision(NamedTuple):
    is_wanted: bool
    body: bytes | None = None  # None where the body is the event in JSON


_AS_IT_COMES = Decision(is_wanted=True)


class Undecided(Exception):
    """Raised where it must first be decided what these receivers are to get."""

    def __init__(self, receivers: Collection[Receiver]) -> None:
        super().__init__(receivers)
        self.receivers = receivers


class Decisions:
    """What each receiver is to get; each decision is taken once."""

    def __init__(self) -> None:
        self._decided: dict[Receiver, Decision] = {}

    def of(self, receivers: Sequence[Receiver]) -> list[Decision]:
        """The decision for each receiver. Raises Undecided."""
        choosy = [each for each in receivers if each.only is not None or each.format == Format.CHAT]
        if not choosy:
            return [_AS_IT_COMES] * len(receivers)
        undecided = [each for each in choosy if each not in self._decided]
        if undecided:
            raise Undecided(undecided)
        return [self._decided.get(each, _AS_IT_COMES) for each in receivers]

    def decide(self, receivers: Iterable[Receiver]) -> None:
        by_event = defaultdict[int, list[Receiver]](list)
        for each in receivers:
            by_event[each.event_id].append(each)
        ids = sorted(by_event)
        for start in range(0, len(ids), _AT_ONCE):
            for event_id, event_type, payload in _events(ids[start : start + _AT_ONCE]):
                event = _Event(event_type, payload)
                for receiver in by_event[event_id]:
                    self._decided[receiver] = event.decision(receiver)


class _Event:
    """An event, which is parsed once, however many webhooks there are."""

    def __init__(self, event_type: str, payload: bytes) -> None:
        self._type, self._payload = event_type, payload
        self._facts: Facts | None = None
        self._lines: dict[str, bytes] = {}

    def decision(self, receiver: Receiver) -> Decision:
        if receiver.only is not None and not self._meets(receiver.only):
            return Decision(is_wanted=False)
        if receiver.format == Format.CHAT:
            return Decision(is_wanted=True, body=self._line(receiver.language))
        return _AS_IT_COMES

    def _meets(self, only: str) -> bool:
        if self._facts is None:
            self._facts = read_facts(self._payload)
        return all_hold(conditions_in(only), self._facts)

    def _line(self, language: str) -> bytes:
        if language not in self._lines:
            line = build_chat_body(self._type, self._payload, wording(Language(language)))
            self._lines[language] = line
        return self._lines[language]


def _events(ids: Collection[int]) -> Iterable[tuple[int, str, bytes]]:
    rows = Event.select(Event.id, Event.type, Event.payload).where(one_of(Event.id, ids)).tuples()
    with connection():
        return [(event_id, event_type, bytes(payload)) for event_id, event_type, payload in rows]
