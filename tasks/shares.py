"""Who may have how many POSTs in flight, whose turn it is, and how much to claim for whom.

The method is start-time fair queueing between businesses, behind a gate (`tasks/gates.py`) for each
thing that nobody may fill. A webhook with something to send takes a ticket. Its date is today, or
the day after its business last started something; whatever starts next moves today to the date of
its ticket. A place goes to the earliest ticket that every gate lets through, and to a webhook with
nothing in flight before any other gets its second. A ticket that does not get through a gate waits
there, and holds up nobody.

This gives a bound. While a webhook with nothing in flight waits that every gate would let through,
and its business starts nothing else, no other business starts more than two of its own, however
many webhooks it has and however slow they are.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

from core.domain.delivery import Answered, Outcome, Unreachable
from tasks.gates import Gate, Recipient, Ticket, first_full

_EASED_BY = 8  # so many accepted in a row allow a webhook that was held one more at a time
_REMEMBERED = 2000  # webhooks whose rate we remember although nothing is in flight to them


@dataclass(frozen=True, slots=True)
class Limits:
    """The most POSTs in flight: in this process, to any one webhook, and to any one host."""

    concurrency: int
    per_webhook: int
    per_host: int

    @property
    def unproven(self) -> int:
        """Of those in this process, the most to webhooks that have not answered yet. The rest is
        kept for webhooks that have, so that they find room however many others hang.
        """
        return max(1, self.concurrency * 3 // 4)

    @property
    def silent(self) -> int:
        """Of those, the most to webhooks that left an attempt without an answer. The rest is kept
        for webhooks that nobody knows yet.
        """
        return max(1, self.concurrency * 5 // 8)


class _Eased:
    """How much a webhook that was held may have in flight: one at first, and one more with every
    eight that are accepted in a row. A receiver that takes one a second answers the first ones
    after each hold, so one answer must not be enough.
    """

    def __init__(self) -> None:
        self.share = 1
        self._in_a_row = 0

    def ended(self, *, accepted: bool) -> None:
        self._in_a_row = self._in_a_row + 1 if accepted else 0
        if self._in_a_row == _EASED_BY:
            self._in_a_row = 0
            self.share += 1


class Load:
    """What is in flight and what is claimed ahead, to each webhook, to each host, and altogether.

    A webhook that leaves an attempt without an answer gets half as many at a time, down to one.
    With its first answer it gets its whole share back. Times are seconds of the monotonic clock.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._all = Gate(limits.concurrency)
        self._unproven = Gate(limits.unproven)
        self._silent = Gate(limits.silent)
        self._hosts: dict[str, Gate] = {}
        self._webhooks: dict[int, Gate] = {}
        self._ways: dict[Recipient, tuple[Gate, ...]] = {}  # through which gates each has to pass
        self._silences: dict[int, int] = {}  # since the last answer, where there are any
        self._eased: dict[int, _Eased] = {}  # webhooks that were held lately
        self._open: list[Ticket] = []  # a heap of the tickets that no gate is known to stop
        self._tickets: dict[int, Ticket] = {}  # the valid ticket of each webhook that waits
        self._started: dict[int, int] = {}  # the day on which each business last started something
        self._today = 0
        self._numbers = count()

    @property
    def in_flight(self) -> int:
        return self._all.in_flight

    def assume_silent(self, webhook_ids: Iterable[int]) -> None:
        """Take over what other workers have seen of webhooks that this one has not called yet."""
        for webhook_id in webhook_ids:
            if webhook_id not in self._silences:
                self._learn(webhook_id, self._most_silences)

    def assume_held(self, webhook_ids: Iterable[int], *, anew: bool = False) -> None:
        """Give webhooks whose receivers have asked for less one at a time, and one more with every
        eight that are accepted in a row. `anew` where a receiver has just asked; otherwise only
        where this process knows nothing about the webhook.
        """
        for webhook_id in webhook_ids:
            if anew or webhook_id not in self._eased:
                self._eased[webhook_id] = _Eased()
                self._share_anew(webhook_id)

    # What to claim

    def wanted(self, recipients: Iterable[Recipient], now: float, most: int) -> dict[int, int]:
        """How many deliveries to claim for each webhook: equal parts of what can start now or soon,
        and not more than `most` altogether.

        Nothing is claimed for a webhook that has more ahead than it is short of, so that claims are
        larger and fewer.
        """
        self._forget_the_idle()
        spare: dict[Gate, int] = {}
        takers = []
        for recipient in recipients:
            gates = self._gates(recipient)
            spare |= {gate: gate.spare(now) for gate in gates if gate not in spare}
            if _short(gates, spare) > gates[0].ahead:
                takers.append((recipient.webhook_id, gates))
        room = max(0, min(most, spare.get(self._all, 0) - self._all.kept))
        part, rest = divmod(room, max(1, len(takers)))
        wanted: dict[int, int] = {}
        for number, (webhook_id, gates) in enumerate(takers):
            share = min(max(1, part + (number < rest)), most, _short(gates, spare))
            if share > 0:
                wanted[webhook_id] = share
                most -= share
                for gate in gates:
                    spare[gate] -= share
        return wanted

    def claimed(self, recipient: Recipient, number: int = 1) -> None:
        for gate in self._gates(recipient):
            gate.ahead += number

    def given_back(self, recipient: Recipient) -> None:
        """Note that a claim will not be started."""
        self.claimed(recipient, -1)

    # Whose turn it is

    def wait(self, recipient: Recipient) -> None:
        """Note that this webhook has something to start."""
        if recipient.webhook_id not in self._tickets:
            date = max(self._today, self._earliest(recipient.business_id))
            self._issue(recipient, date, next(self._numbers))

    def leave(self, webhook_id: int) -> None:
        """Note that it has nothing to start any more."""
        self._tickets.pop(webhook_id, None)

    def next(self) -> Recipient | None:
        """Whose turn it is; the place is taken from now on. None when nobody gets through."""
        while self._open:
            ticket = heappop(self._open)
            recipient = ticket.recipient
            gates = self._gates(recipient)
            if self._tickets.get(recipient.webhook_id) is ticket:
                if ticket.date < (date := self._earliest(recipient.business_id)):
                    self._issue(recipient, date, ticket.number)
                    continue
                full = first_full(gates, ticket)
                if full is None:
                    self._start(ticket, gates)
                    return recipient
                full.wait(ticket)
            for gate in gates:  # it has left the room that it was called for to another one
                self._call(gate)
        return None

    def ended(self, recipient: Recipient, outcome: Outcome, now: float) -> None:
        webhook_id, gates = recipient.webhook_id, self._gates(recipient)
        for gate in gates:
            gate.ended(now)
        match outcome:
            case Answered():
                self._learn(webhook_id, 0)
                if webhook_id in self._eased:
                    self._ease(webhook_id, accepted=outcome.accepted)
            case Unreachable():
                silences = self._silences.get(webhook_id, 0) + 1
                self._learn(webhook_id, min(silences, self._most_silences))
        for gate in gates:
            if gate.waiting:  # mostly nobody is, and this is asked for every POST
                self._call(gate)
        if not gates[0].in_flight:
            self._issue_again(webhook_id)

    def _earliest(self, business_id: int) -> int:
        return self._started.get(business_id, -1) + 1

    def _start(self, ticket: Ticket, gates: Iterable[Gate]) -> None:
        recipient = ticket.recipient
        del self._tickets[recipient.webhook_id]
        self._today = max(self._today, ticket.date)
        self._started[recipient.business_id] = self._today
        for gate in gates:
            gate.ahead -= 1
            gate.in_flight += 1

    def _issue(self, recipient: Recipient, date: int, number: int) -> None:
        own = self._gates(recipient)[0]
        ticket = Ticket(own.in_flight > 0, date, number, recipient)
        self._tickets[recipient.webhook_id] = ticket
        if own.lets_through(ticket):
            heappush(self._open, ticket)
        else:
            own.wait(ticket)

    def _issue_again(self, webhook_id: int) -> None:
        """Give it a new ticket, since its gates or its place in the order have changed."""
        ticket = self._tickets.get(webhook_id)
        if ticket is not None:
            self._issue(ticket.recipient, ticket.date, ticket.number)

    def _call(self, gate: Gate) -> None:
        """Let whoever waits first at this gate try again, if there is room."""
        while (ticket := gate.call()) is not None:
            if self._tickets.get(ticket.recipient.webhook_id) is ticket:
                heappush(self._open, ticket)
                return

    # What there are gates for

    def _gates(self, recipient: Recipient) -> Sequence[Gate]:
        """The gates that it has to pass, its own first."""
        gates = self._ways.get(recipient)
        if gates is None:
            webhook_id = recipient.webhook_id
            own = self._webhooks.get(webhook_id)
            if own is None:
                own = self._webhooks[webhook_id] = Gate(self._share(webhook_id), shared=False)
            host = self._hosts.get(recipient.host)
            if host is None:
                host = self._hosts[recipient.host] = Gate(self._limits.per_host)
            gates = self._ways[recipient] = (own, host, *self._classes(webhook_id), self._all)
        return gates

    def _share(self, webhook_id: int) -> int:
        share = self._limits.per_webhook >> self._silences.get(webhook_id, 0)
        eased = self._eased.get(webhook_id)
        return max(1, share if eased is None else min(share, eased.share))

    def _ease(self, webhook_id: int, *, accepted: bool) -> None:
        eased = self._eased[webhook_id]
        eased.ended(accepted=accepted)
        if eased.share >= self._limits.per_webhook:
            del self._eased[webhook_id]
        self._share_anew(webhook_id)

    def _share_anew(self, webhook_id: int) -> None:
        own = self._webhooks.get(webhook_id)
        if own is not None:
            own.limit = self._share(webhook_id)
            self._issue_again(webhook_id)

    def _classes(self, webhook_id: int) -> Sequence[Gate]:
        match self._silences.get(webhook_id):
            case None:
                return (self._unproven,)
            case 0:
                return ()
            case _:
                return (self._unproven, self._silent)

    @property
    def _most_silences(self) -> int:
        """As many as make a difference: after so many the share of a webhook is down to one."""
        return self._limits.per_webhook.bit_length()

    def _learn(self, webhook_id: int, silences: int) -> None:
        """Note how often it has not answered: what it has in flight and ahead counts at other gates
        now.
        """
        if self._silences.get(webhook_id) == silences:
            return
        before = self._classes(webhook_id)
        self._silences[webhook_id] = silences
        own, after = self._webhooks.get(webhook_id), self._classes(webhook_id)
        if after != before:
            self._ways.clear()
        if own is None:
            return
        own.limit = self._share(webhook_id)
        for gates, sign in ((before, -1), (after, 1)):
            for gate in gates:
                gate.in_flight += sign * own.in_flight
                gate.ahead += sign * own.ahead
        for gate in before:
            for _ in range(own.in_flight):
                self._call(gate)
        self._issue_again(webhook_id)

    def _forget_the_idle(self) -> None:
        if len(self._webhooks) > _REMEMBERED:
            self._webhooks = {key: gate for key, gate in self._webhooks.items() if not gate.is_idle}
            self._hosts = {key: gate for key, gate in self._hosts.items() if not gate.is_idle}
            self._started = {key: day for key, day in self._started.items() if day >= self._today}
            self._ways.clear()


def _short(gates: Sequence[Gate], spare: Mapping[Gate, int]) -> int:
    """How much more may be claimed for the webhook of the first of these gates; of what is kept for
    those with nothing in flight, only one.
    """
    beyond_first = min(spare[gate] - gate.kept for gate in gates)
    if gates[0].in_flight or gates[0].ahead:
        return beyond_first
    return max(beyond_first, min(1, *(spare[gate] for gate in gates)))
