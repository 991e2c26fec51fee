"""What limits the POSTs in flight: gates, and those who wait at them."""

from collections.abc import Iterable
from heapq import heappop, heappush
from typing import NamedTuple

_AHEAD_FOR = 0.5  # seconds' worth that is claimed ahead: many times what claiming takes
_SAMPLE = 0.05  # seconds over which a rate is measured
_HOLDS_FOR = 2.0  # seconds for which a rate is believed while nothing ends


class Recipient(NamedTuple):
    """A webhook, as far as sharing fairly is concerned."""

    webhook_id: int
    business_id: int
    host: str  # with its port


class Ticket(NamedTuple):
    """The place of a webhook in the order: of two tickets the lower one is served first."""

    is_beyond_first: bool  # whether the webhook has something in flight already
    date: int
    number: int  # so that no two tickets are equal
    recipient: Recipient


class Gate:
    """Lets so many be in flight at once, and has as much claimed ahead as it will soon let through.

    A gate that is `shared` keeps an eighth of its places for webhooks that have nothing in flight.
    """

    __slots__ = (
        "_ends",
        "_per_second",
        "_since",
        "ahead",
        "in_flight",
        "kept",
        "limit",
        "waiting",
    )

    def __init__(self, limit: int, *, shared: bool = True) -> None:
        self.limit = limit
        self.kept = limit // 8 if shared else 0
        self.in_flight = 0
        self.ahead = 0  # claimed and not started yet
        self.waiting: list[Ticket] = []  # a heap
        self._per_second = 0.0
        self._since = self._ends = 0.0

    def lets_through(self, ticket: Ticket) -> bool:
        return first_full((self,), ticket) is None

    @property
    def is_idle(self) -> bool:
        return not (self.in_flight or self.ahead or self.waiting)

    def ended(self, now: float) -> None:
        self.in_flight -= 1
        self._ends += 1
        lasted = now - self._since
        if lasted >= _SAMPLE:
            self._per_second = self._ends / lasted
            self._since, self._ends = now, 0.0

    def spare(self, now: float) -> int:
        """How much more may be claimed for it: what can start now and within half a second."""
        window = round(self._rate(now) * _AHEAD_FOR)
        return max(0, self.limit - self.in_flight) + window - self.ahead

    def _rate(self, now: float) -> float:
        """How many attempts end in a second."""
        lasted = now - self._since
        return self._per_second if lasted <= _HOLDS_FOR else self._ends / lasted

    def wait(self, ticket: Ticket) -> None:
        heappush(self.waiting, ticket)

    def call(self) -> Ticket | None:
        """The first one that waits here, if there is room for it; then it waits here no more."""
        if self.waiting and self.lets_through(self.waiting[0]):
            return heappop(self.waiting)
        return None


def first_full(gates: Iterable[Gate], ticket: Ticket) -> Gate | None:
    """The first of these gates that does not let it through: one call for all of them, since it is
    asked for every POST.
    """
    is_beyond_first = ticket.is_beyond_first
    for gate in gates:
        if gate.in_flight >= gate.limit - gate.kept * is_beyond_first:
            return gate
    return None
