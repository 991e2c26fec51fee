"""Which webhooks have more due, as far as we know, and for which one to claim next."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice
from urllib.parse import urlsplit

from core.storage.due import Waiting
from tasks.gates import Recipient

_LOOKED_AT = 1000  # webhooks at a time: it bounds what deciding costs
_PORTS = {"http": 80, "https": 443}


class Roster:
    """The webhooks with something due. Those that were claimed for longest ago come first."""

    def __init__(self) -> None:
        self._recipients: dict[int, Recipient] = {}
        self._turns: dict[int, int] = {}  # the last turn of each webhook known
        self._turn = 0

    def __bool__(self) -> bool:
        return bool(self._recipients)

    def __contains__(self, webhook_id: int) -> bool:
        return webhook_id in self._recipients

    def ids(self) -> frozenset[int]:
        return frozenset(self._recipients)

    def call(self, waiting: Iterable[Waiting]) -> None:
        """Replace it by the webhooks that wait now."""
        known = {
            each.webhook_id: recipient_of(each.webhook_id, each.business_id, each.url)
            for each in waiting
        }
        order = sorted(known, key=lambda each: self._turns.get(each, 0))
        self._recipients = {each: known[each] for each in order}

    def first(self) -> list[Recipient]:
        """As many as are worth looking at; where there are more, others each time."""
        looked_at = list(islice(self._recipients.values(), _LOOKED_AT))
        for each in looked_at:
            self._to_the_end(each.webhook_id)
        return looked_at

    def took_turn(self, webhook_id: int) -> None:
        """Note that it has been claimed for."""
        self._turn += 1
        self._turns[webhook_id] = self._turn
        if webhook_id in self._recipients:
            self._to_the_end(webhook_id)

    def emptied(self, webhook_id: int) -> None:
        """Note that nothing more of it is due."""
        self._recipients.pop(webhook_id, None)

    def _to_the_end(self, webhook_id: int) -> None:
        self._recipients[webhook_id] = self._recipients.pop(webhook_id)


@lru_cache(maxsize=4096)
def recipient_of(webhook_id: int, business_id: int, url: str) -> Recipient:
    return Recipient(webhook_id, business_id, host_and_port(url))


def host_and_port(url: str) -> str:
    """Host and port, by default that of the scheme. Where it is no URL, the text as it is."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or _PORTS.get(parts.scheme, 0)}"
    except ValueError:
        return url
