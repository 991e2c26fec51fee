"""What is claimed with a time of its own to start at, because its webhook has a pace."""

from heapq import heapify, heappop, heappush
from itertools import count

from tasks.ahead import Held

_Appointment = tuple[float, int, Held]


class Timetable:
    """Claims by when they start, on the monotonic clock, the earliest first."""

    def __init__(self) -> None:
        self._appointments: list[_Appointment] = []  # a heap
        self._numbers = count()
        self._started: dict[int, float] = {}  # when the last one of each webhook started

    def __bool__(self) -> bool:
        return bool(self._appointments)

    @property
    def next_at(self) -> float | None:
        return self._appointments[0][0] if self._appointments else None

    def ids(self) -> frozenset[int]:
        return frozenset(held.recipient.webhook_id for *_, held in self._appointments)

    def put(self, held: Held, start_at: float) -> None:
        heappush(self._appointments, (start_at, next(self._numbers), held))

    def take(self, now: float) -> list[Held]:
        """Take out those whose time has come."""
        come = []
        while self._appointments and self._appointments[0][0] <= now:
            come.append(heappop(self._appointments)[-1])
        return come

    def may_start(self, held: Held, now: float) -> bool:
        """Whether it may start, which it then does: not too soon after the one before it. If it may
        not, it is put off, where there is still time.
        """
        start, webhook_id = held.claim.start, held.recipient.webhook_id
        if start is None:
            return True
        earliest = self._started.get(webhook_id, now - start.after.total_seconds())
        earliest += start.after.total_seconds()
        if earliest <= now <= held.start_by:
            self._started[webhook_id] = now
            return True
        if now < earliest <= held.start_by:
            self.put(held, earliest)
        return False

    def has(self, held: Held) -> bool:
        return any(each is held for *_, each in self._appointments)

    def all_of(self, webhook_id: int) -> list[Held]:
        """Take out all claims of this webhook."""
        taken = [each for each in self._appointments if each[-1].recipient.webhook_id == webhook_id]
        self._appointments = [each for each in self._appointments if each not in taken]
        heapify(self._appointments)
        return [held for *_, held in taken]

    def all(self) -> list[Held]:
        """Take out all claims."""
        return self.take(float("inf"))
