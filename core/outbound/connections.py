"""The connections that are kept open, each of them for one webhook. So what one receiver writes
unasked never reaches another one's request, and an old address of a server is not used for long.
"""

from collections import defaultdict
from collections.abc import Collection
from functools import partial
from time import monotonic

from core.outbound.conversation import READ_AT_ONCE, Conversation

_OLDEST = 60.0  # seconds that a connection lasts: later its host may be elsewhere

Owner = tuple[int, str]
"""Whose a connection is, and where it leads: the id of a webhook, and its URL."""


class Connections:
    """The connections that are open, and which of them are free."""

    def __init__(self) -> None:
        self._buffer = memoryview(bytearray(READ_AT_ONCE))
        self._kept_for: Collection[int] = ()
        self._born: dict[Conversation, float] = {}  # of all open ones, by the monotonic clock
        self._free: defaultdict[Owner, list[Conversation]] = defaultdict(list)

    def new(self, owner: Owner) -> Conversation:
        """A connection that the caller is to connect."""
        made = Conversation(self._buffer, partial(self._changed, owner))
        self._born[made] = monotonic()
        return made

    def take(self, owner: Owner) -> Conversation | None:
        """A free connection, the one that was used last; None where there is none."""
        free = self._free.get(owner)
        while free:
            taken = free.pop()
            if not self._is_old(taken):
                return taken
            taken.close()
        return None

    def keep_for(self, webhook_ids: Collection[int]) -> None:
        """Keep the free connections of these webhooks until their next request, and close all
        others.
        """
        self._kept_for = webhook_ids
        for (webhook_id, _), free in list(self._free.items()):
            for each in list(free):
                if webhook_id not in webhook_ids or self._is_old(each):
                    each.close()

    def close(self) -> None:
        for each in list(self._born):
            each.close()

    def _changed(self, owner: Owner, conversation: Conversation) -> None:
        webhook_id, _ = owner
        if conversation.is_closed:
            self._forget(owner, conversation)
        elif webhook_id in self._kept_for:
            self._free[owner].append(conversation)
        else:
            conversation.close()

    def _forget(self, owner: Owner, conversation: Conversation) -> None:
        self._born.pop(conversation, None)
        free = self._free.get(owner, [])
        if conversation in free:
            free.remove(conversation)
        if not free:
            self._free.pop(owner, None)

    def _is_old(self, conversation: Conversation) -> bool:
        return monotonic() - self._born[conversation] > _OLDEST
