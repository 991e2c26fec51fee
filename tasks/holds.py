"""The webhooks that this worker leaves alone because their receiver has just asked for it.

Once the answer is settled the tables tell this to all workers; this is for the time until then.
"""


class Holds:
    """Webhooks, and until when they are left alone, by the monotonic clock."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}

    def begin(self, webhook_id: int, until: float) -> None:
        self._until[webhook_id] = max(until, self._until.get(webhook_id, until))

    def lasts(self, webhook_id: int, now: float) -> bool:
        if webhook_id in self._until and self._until[webhook_id] <= now:
            del self._until[webhook_id]
        return webhook_id in self._until
