"""What fan-out has to make of events first, outside its transaction: others wait while that lasts.

A transaction that finds something missing ends with nothing written, and is tried again once that
has been made.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from core.domain.choices import Format
from core.domain.language import Language
from core.domain.signing import build_chat_body
from core.storage.database import connection, one_of
from core.storage.models import Event

_AT_ONCE = 50  # events whose payloads are read together


class Receiver(NamedTuple):
    """A webhook that is to have an event, and how."""

    event_id: int
    created_at: datetime  # the event's
    webhook_id: int
    format: str  # a choices.Format
    language: str


_Wanted = tuple[int, str]  # an event's id, a language


class NotRendered(Exception):
    """These chat lines are missing."""

    def __init__(self, wanted: Collection[_Wanted]) -> None:
        super().__init__(wanted)
        self.wanted = wanted


class Rendered:
    """The bodies of chat lines, each made once."""

    def __init__(self) -> None:
        self._bodies: dict[_Wanted, bytes] = {}

    def bodies(self, receivers: Sequence[Receiver]) -> list[bytes | None]:
        """The body for each, None where it is the event in JSON; raises NotRendered."""
        wanted = [_wanted(each) for each in receivers]
        missing = {each for each in wanted if each is not None} - self._bodies.keys()
        if missing:
            raise NotRendered(missing)
        return [self._bodies[each] if each is not None else None for each in wanted]

    def render(self, wanted: Collection[_Wanted]) -> None:
        languages = defaultdict[int, list[Language]](list)
        for event_id, language in wanted:
            languages[event_id].append(Language(language))
        ids = sorted(languages)
        for start in range(0, len(ids), _AT_ONCE):
            for event_id, event_type, payload in _events(ids[start : start + _AT_ONCE]):
                for language in languages[event_id]:
                    body = build_chat_body(event_type, payload, language)
                    self._bodies[event_id, language] = body


def _wanted(receiver: Receiver) -> _Wanted | None:
    return (receiver.event_id, receiver.language) if receiver.format == Format.CHAT else None


def _events(ids: Collection[int]) -> Iterable[tuple[int, str, bytes]]:
    rows = Event.select(Event.id, Event.type, Event.payload).where(one_of(Event.id, ids)).tuples()
    with connection():
        return [(event_id, event_type, bytes(payload)) for event_id, event_type, payload in rows]
