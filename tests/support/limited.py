"""A receiver that takes so many in a span of time, and refuses the others as a chat does."""

import asyncio
from collections import deque
from datetime import UTC, datetime, timedelta

from core.domain.delivery import Answered
from core.domain.signing import Secret, build_body, build_headers
from core.pipeline.leases import Claim
from core.verification.history import Post
from tests.support.notes import notes
from tests.support.scripted import post_of
from tests.support.wire import read_request, response

REFUSAL = Answered(429, "rate_limited", retry_after="1")


class Limited:
    """Accepts `most` within any `span`: on a connection, or by a simulated clock."""

    def __init__(self, most: int, span: timedelta) -> None:
        self._taken = deque[datetime](maxlen=most)
        self._span = span
        self.accepted = self.refused = 0
        self.posts: list[Post] = []
        notes().receivers.append(self)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await read_request(reader)
            outcome = self._outcome(datetime.now(UTC))
            self.posts.append(post_of(request, outcome.http_status))
            writer.write(response(outcome.http_status, Retry_After="1"))
            await writer.drain()

    def answer(self, claim: Claim, secret: Secret, at: datetime) -> Answered:
        """What it answers to this claim, sent at that moment and signed with that secret."""
        outcome = self._outcome(at)
        body = build_body(claim.event_type, claim.uuid, claim.created_at, claim.payload)
        headers = build_headers(claim.event_type, claim.uuid, secret.sign(body))
        self.posts.append(Post(at, claim.url, dict(headers), body, outcome.http_status))
        return outcome

    def _outcome(self, at: datetime) -> Answered:
        if len(self._taken) == self._taken.maxlen and at - self._taken[0] < self._span:
            self.refused += 1
            return REFUSAL
        self._taken.append(at)
        self.accepted += 1
        return Answered(200, "ok")
