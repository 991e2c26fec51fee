"""The only outbound HTTP: one guarded POST → one Outcome."""

import logging
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import lru_cache
from time import monotonic
from typing import cast

import httpx

from core.domain import details
from core.domain.cleaning import clean, clean_body
from core.domain.delivery import (
    RESPONSE_LIMIT,
    Answered,
    ErrorKind,
    Interrupted,
    Lapsed,
    Outcome,
    Starved,
    Unreachable,
    Withdrawn,
)
from core.domain.hold import ASKING
from core.domain.own_headers import blotted
from core.outbound.deadlines import Deadlines, StoodStill
from core.outbound.failures import AttemptFailed, KeptConnectionDied, NotWanted, OursToMend
from core.outbound.transport import ERRAND, Errand, GuardedTransport, Stage

log = logging.getLogger(__name__)

_BODY_BYTES = 8192  # the most that is read; what is shown is cut from it
_DETAIL_LIMIT = 200
_TOLD_FOR = 60.0  # seconds, in which the same trouble is logged once


class Sender:
    """Makes attempts, each within `timeout` from the name lookup to the answer's headers.

    Whatever happens during an attempt becomes its outcome, never an exception: so no receiver can
    end the worker, or disturb other attempts. It must be used and closed inside one event loop.
    """

    def __init__(self, transport: GuardedTransport, timeout: timedelta) -> None:
        self._transport = transport
        self._deadlines = Deadlines(timeout.total_seconds())
        self._told_until: dict[type[OursToMend], float] = {}

    def keep_for(self, webhook_ids: Collection[int]) -> None:
        """Keep connections open for these webhooks, to which more is due, and for no others."""
        self._transport.keep_for(webhook_ids)

    async def post(
        self, errand: Errand, headers: Sequence[tuple[str, str]], body: bytes
    ) -> Outcome:
        """POST `body`. The errand's last look is taken right before the first byte leaves."""
        attempt = _Attempt(errand)
        try:
            request = httpx.Request(
                "POST",
                _parsed(errand.url),
                headers=headers,
                stream=httpx.ByteStream(body),  # `content` takes longer to find its length
                extensions={ERRAND: errand},
            )
            await self._deadlines.hold(attempt.run(self._transport, request))
        except Exception as error:  # noqa: BLE001 - any fault in an attempt is its outcome
            return attempt.outcome() or self._outcome_of(error, errand.stage)
        return attempt.outcome() or Unreachable(ErrorKind.PROTOCOL, details.NO_STATUS)

    def _outcome_of(self, error: Exception, stage: Stage) -> Outcome:
        """The outcome of an attempt that got no status."""
        match error:
            case NotWanted():
                return Withdrawn()
            case OursToMend():
                self._tell(error)
                return Starved()
            case KeptConnectionDied():
                return Lapsed()
            case AttemptFailed():
                return Unreachable(error.kind, error.detail[:_DETAIL_LIMIT])
            case StoodStill():
                return Interrupted()
            case TimeoutError() if stage is Stage.LAST_LOOK:  # our own database kept it waiting
                return Withdrawn()
            case TimeoutError() if stage is Stage.HANDSHAKE:
                detail = details.NO_HANDSHAKE.format(seconds=f"{self._deadlines.seconds:g}")
                return Unreachable(ErrorKind.TLS, detail)
            case TimeoutError():
                detail = details.NO_ANSWER.format(seconds=f"{self._deadlines.seconds:g}")
                return Unreachable(ErrorKind.TIMEOUT, detail)
            case _:
                return _unforeseen(error)

    def _tell(self, trouble: OursToMend) -> None:
        """Log it once for the many attempts that run into it."""
        if monotonic() >= self._told_until.get(type(trouble), 0.0):
            self._told_until[type(trouble)] = monotonic() + _TOLD_FOR
            log.error("%s", trouble)

    async def close(self) -> None:
        await self._transport.aclose()


class _Attempt:
    """What has come back so far. Once there is a status, it decides, whatever the body does."""

    def __init__(self, errand: Errand) -> None:
        self._own_headers = errand.own_headers
        self._response: httpx.Response | None = None
        self._body = bytearray()

    async def run(self, transport: httpx.AsyncBaseTransport, request: httpx.Request) -> None:
        self._response = await transport.handle_async_request(request)
        stream = cast("httpx.AsyncByteStream", self._response.stream)
        try:
            async for chunk in stream:  # as it comes, not inflated
                self._body += chunk[: _BODY_BYTES - len(self._body)]
                if len(self._body) >= _BODY_BYTES:
                    break
        finally:
            await stream.aclose()

    def outcome(self) -> Answered | None:
        response = self._response
        if response is None:
            return None
        status = response.status_code
        detail = self._redirect(response) if 300 <= status < 400 else ""
        asking = _only(response, b"retry-after") if status in ASKING else ""
        return Answered(status, self._text(response), detail, asking)

    def _redirect(self, response: httpx.Response) -> str:
        """Where a redirect points, in words."""
        location = _header(response, b"location")
        if not location:
            return ""
        location = blotted(location.encode(), self._own_headers).decode()
        return clean(details.REDIRECTS.format(where=location), _DETAIL_LIMIT)

    def _text(self, response: httpx.Response) -> str:
        encoding = _header(response, b"content-encoding").strip().lower()
        if encoding not in {"", "identity"} and self._body:
            return f"[compressed, {len(self._body)} bytes]"
        return clean_body(blotted(bytes(self._body), self._own_headers), RESPONSE_LIMIT)


def _header(response: httpx.Response, name: bytes) -> str:
    """A header's value, or "" where there is none; httpx's own way guesses an encoding first."""
    for given, value in response.headers.raw:
        if given.lower() == name:
            return value.decode("utf-8", "replace")
    return ""


def _only(response: httpx.Response, name: bytes) -> str:
    """The value of a header that is there once, cut; else "", since of two nobody knows which
    counts.
    """
    values = [value for given, value in response.headers.raw if given.lower() == name]
    return values[0].decode("ascii", "replace")[:_DETAIL_LIMIT] if len(values) == 1 else ""


def _unforeseen(error: Exception) -> Unreachable:
    """A fault of ours that only this receiver causes. Its traceback could quote the answer, so it
    is not logged.
    """
    log.error("attempt failed in an unforeseen way: %s", type(error).__name__)
    return Unreachable(ErrorKind.INTERNAL, type(error).__name__)


@lru_cache(maxsize=4096)
def _parsed(url: str) -> httpx.URL:
    return httpx.URL(url)
