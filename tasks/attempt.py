"""One attempt: a claim becomes a signed request, and what comes back becomes an outcome."""

import logging
from datetime import datetime
from functools import partial
from typing import NamedTuple

from core.domain.checking import signing_for
from core.domain.delivery import Locked, Outcome, Unsendable
from core.domain.own_headers import OwnHeader
from core.domain.signing import Secret, build_body, build_headers, standard_headers
from core.errors import BadKeyFile
from core.outbound.sender import Sender
from core.outbound.transport import Errand
from core.pipeline.leases import Claim
from core.storage.choosing import open_headers
from core.storage.vault import Vault
from tasks.ahead import Held
from tasks.last_looks import LastLooks

log = logging.getLogger(__name__)


class OpenedOnce:
    """A vault that opens the secret of each webhook only once, for as long as a pass lasts."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._opened: dict[tuple[int, bytes], Secret] = {}
        self._headers: dict[tuple[int, str], tuple[OwnHeader, ...]] = {}

    def open(self, claim: Claim) -> Secret:
        """The secret of the webhook. Raises BadKeyFile when no key here opens it."""
        which = claim.webhook_id, claim.sealed_secret
        secret = self._opened.get(which)
        if secret is None:
            secret = self._vault.open(claim.sealed_secret, claim.business_id, claim.webhook_id)
            self._opened[which] = secret
        return secret

    def headers(self, claim: Claim) -> tuple[OwnHeader, ...]:
        """The headers that the owner of the webhook added. Raises BadKeyFile as well."""
        if claim.headers is None:
            return ()
        which = claim.webhook_id, claim.headers
        headers = self._headers.get(which)
        if headers is None:
            whose = claim.business_id, claim.webhook_id
            headers = self._headers[which] = open_headers(self._vault, claim.headers, *whose)
        return headers


class Made(NamedTuple):
    """How an attempt went."""

    outcome: Outcome
    certificate_until: datetime | None = None  # the server's, where there was a handshake
    sent_at: float | None = None  # when all of it was written, on the monotonic clock


class Attempts:
    """Makes attempts with one sender, each of them after its last look."""

    def __init__(self, sender: Sender, last_looks: LastLooks) -> None:
        self._sender = sender
        self._last_looks = last_looks

    async def make(self, held: Held, vault: OpenedOnce, at: datetime) -> Made:
        """Make this attempt, which is signed as of `at`: now."""
        claim = held.claim
        if not claim.is_intact:
            return Made(Unsendable("the stored event was damaged"))
        try:
            secret, own = vault.open(claim), vault.headers(claim)
        except BadKeyFile as error:
            log.error(
                "a secret cannot be opened", extra={"webhook": claim.webhook_id, "why": error}
            )
            return Made(Locked())
        body = claim.rendered or build_body(
            claim.event_type, claim.uuid, claim.created_at, claim.payload
        )
        headers = _headers(claim, secret, own, body, at)
        last_look = partial(self._last_looks.may_send, held)
        errand = Errand(claim.webhook_id, claim.url, last_look, own)
        outcome = await self._sender.post(errand, headers, body)
        return Made(outcome, errand.certificate_until, errand.sent_at)


def _headers(
    claim: Claim, secret: Secret, own: tuple[OwnHeader, ...], body: bytes, at: datetime
) -> list[tuple[str, str]]:
    """The headers that name and sign the body, followed by those that the owner added."""
    signing = signing_for(claim.purpose, secret, body, at)
    headers = build_headers(claim.event_type, claim.uuid, signing.secret.sign(signing.signed))
    if claim.standard_webhooks:
        headers += standard_headers(signing.secret, claim.uuid, signing.at, signing.signed)
    headers += [(each.name, each.value.reveal()) for each in own if each.value is not None]
    return headers
