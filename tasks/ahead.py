"""What is claimed ahead: deliveries that start as soon as there is a place for them."""

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import NamedTuple

from core.pipeline.leases import Claim
from tasks.gates import Recipient

_MOST_BYTES = 8 * 2**20  # of all payloads together
_LEAST_MEAN = 1024  # the least that we reckon with, in bytes a payload


class Held(NamedTuple):
    """A claim that this worker holds; its times are by the monotonic clock."""

    claim: Claim
    recipient: Recipient
    start_by: float  # after this its lease might not last for a whole attempt
    leased_until: float


class Ahead:
    """Claims by webhook, the one claimed first at the front."""

    def __init__(self) -> None:
        self._held: defaultdict[int, deque[Held]] = defaultdict(deque)
        self._bytes = 0
        self._mean = float(_LEAST_MEAN)  # how many bytes a payload has had lately

    def __bool__(self) -> bool:
        return bool(self._held)

    def has(self, webhook_id: int) -> bool:
        return webhook_id in self._held

    def ids(self) -> frozenset[int]:
        return frozenset(self._held)

    def room(self) -> int:
        """How many more claims there is memory for, if they are as large as lately."""
        return max(1, int((_MOST_BYTES - self._bytes) / self._mean))

    def put(self, held: Held) -> None:
        self._held[held.claim.webhook_id].append(held)
        size = len(held.claim.payload)
        self._bytes += size
        self._mean = max(_LEAST_MEAN, self._mean * 0.9 + size * 0.1, size * 0.5)

    def take(self, webhook_id: int) -> Held:
        waiting = self._held[webhook_id]
        held = waiting.popleft()
        self._bytes -= len(held.claim.payload)
        if not waiting:
            del self._held[webhook_id]
        return held

    def overdue(self, now: float) -> list[Held]:
        """Take out those that were not started in time."""
        late = [each for each, held in self._held.items() if held[0].start_by <= now]
        return [held for each in late for held in self._take_while(each, now)]

    def all_of(self, webhook_id: int) -> list[Held]:
        """Take out all claims of this webhook."""
        return list(self._take_while(webhook_id, float("inf")))

    def all(self) -> list[Held]:
        """Take out all claims."""
        return self.overdue(float("inf"))

    def _take_while(self, webhook_id: int, now: float) -> Iterable[Held]:
        while webhook_id in self._held and self._held[webhook_id][0].start_by <= now:
            yield self.take(webhook_id)
