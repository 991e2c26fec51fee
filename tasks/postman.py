"""Handing in the mails that are due, one after the other."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from core.domain.delivery import Schedule
from core.domain.language import Language
from core.domain.mail import CODE, Letter, code_letter
from core.errors import WebhooksError
from core.outbound.mail import MailFailed, MailServer, compose, hand_in
from core.pipeline.leases import LEASE
from core.pipeline.mail_claims import MailClaim, claim_mail, settle_failed, settle_sent
from core.pipeline.steps import Step, passed
from core.pipeline.stopping import IsStopping, never
from core.storage.awaited import awaited
from core.storage.vault import Vault
from core.use_cases.mail import code_of
from core.wording import wording

log = logging.getLogger(__name__)


class Postman:
    """Hands in mails. Without a server it claims none: another worker may have one."""

    def __init__(
        self,
        server: MailServer | None,
        open_vault: Callable[[], Vault],
        schedule: Schedule,
        clock: Callable[[], datetime],
        lease_for: timedelta = LEASE,
    ) -> None:
        self._server = server
        self._open_vault = open_vault
        self._schedule = schedule
        self._clock = clock
        self._lease_for = lease_for

    def go(self, is_stopping: IsStopping = never) -> float | None:
        """Hand in all that is due; returns in how many seconds the next one will be."""
        server = self._server
        if server is None:
            return None
        while not is_stopping() and (claim := self._claim()) is not None:
            self._hand_in(server, claim)
        next_at = awaited().mail_at
        return None if next_at is None else (next_at - self._clock()).total_seconds()

    def _claim(self) -> MailClaim | None:
        return claim_mail(self._clock(), self._lease_for)

    def _hand_in(self, server: MailServer, claim: MailClaim) -> None:
        address = claim.reader.address
        try:
            letter = self._letter(claim)
            message = compose(letter, server.sender, address, claim.id, claim.created_at)
            hand_in(server, message, address)
        except (MailFailed, WebhooksError) as error:
            log.warning("a mail waits", extra={"mail": claim.id, "why": error})
            settle_failed(claim, str(error), self._schedule, self._clock())
        else:
            passed(Step.MAILED)
            settle_sent(claim, self._clock())
            log.info("mailed", extra={"mail": claim.id, "kind": claim.kind})

    def _letter(self, claim: MailClaim) -> Letter:
        """The letter of this mail. Raises BadKeyFile where a code cannot be read."""
        if claim.kind != CODE:
            return claim.letter
        code = code_of(claim.reader, self._open_vault())
        return code_letter(code, claim.business, wording(Language(claim.reader.language)))
