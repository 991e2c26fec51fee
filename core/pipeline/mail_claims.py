"""Mails, each leased to one worker at a time until it was handed in.

As with deliveries, where a worker dies between handing a mail in and noting that, the mail is
handed in once more, with the same Message-ID. Nothing else repeats a mail.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import randbits
from typing import Any

from core.domain.delivery import Schedule
from core.domain.mail import CODE, Letter
from core.pipeline.leases import LEASE
from core.pipeline.mail import NOT_WANTED, given_up, is_an_owners
from core.pipeline.steps import Step, passed
from core.storage.database import transaction
from core.storage.literals import has_value
from core.storage.models import Business, Mail, MailAddress, entitled, row_lock

_MOST_INTERRUPTIONS = 10
_TOO_LATE = "it could not be handed in while it was of use"
_CUT_SHORT = "workers ended while they were handing it in"


@dataclass(frozen=True, slots=True)
class MailClaim:
    """A mail that is ours to hand in, for as long as the lease lasts."""

    id: int
    lease: int
    kind: str
    letter: Letter
    attempts: int  # those that failed
    until: datetime
    created_at: datetime
    business: str
    reader: MailAddress


def claim_mail(now: datetime, lease_for: timedelta = LEASE) -> MailClaim | None:
    """The mail that has been due for longest, if there is one; what nobody wants any more is given
    up. Handing it in takes less time than the lease.
    """
    claim = _claim(now, lease_for)
    if claim is not None:
        passed(Step.MAILING)
    return claim


def _claim(now: datetime, lease_for: timedelta) -> MailClaim | None:
    is_due = has_value(Mail.due_at) & (Mail.due_at <= now)
    while True:
        with transaction():
            first = Mail.select().where(is_due).order_by(Mail.due_at, Mail.id).limit(1)
            mail = row_lock(first, skip_locked=True).first()
            if mail is None:
                return None
            reader = _reader(mail)
            interruptions = mail.interruptions + (mail.lease is not None)
            if reader is None:
                Mail.update(given_up(NOT_WANTED)).where(Mail.id == mail.id).execute()
            elif why := _why_not(mail, interruptions, now):
                Mail.update(given_up(why)).where(Mail.id == mail.id).execute()
            else:
                lease = randbits(62)
                leased = {"lease": lease, "due_at": now + lease_for, "interruptions": interruptions}
                Mail.update(leased).where(Mail.id == mail.id).execute()
                return _claimed(mail, lease, reader)


def _why_not(mail: Mail, interruptions: int, now: datetime) -> str:
    """Why a mail that is due is not handed in; "" where it is."""
    if mail.until <= now:
        return mail.error or _TOO_LATE
    return _CUT_SHORT if interruptions > _MOST_INTERRUPTIONS else ""


def _reader(mail: Mail) -> MailAddress | None:
    """The address, if it is still somebody's who may be told: rights, and what a business has, are
    read again for each mail.
    """
    is_open = MailAddress.nonce if mail.kind == CODE else MailAddress.confirmed_at
    reader: MailAddress | None = (
        MailAddress.select()
        .join(Business)
        .where(
            (MailAddress.business == mail.business_id)
            & (MailAddress.login == mail.login)
            & (MailAddress.address == mail.address)
            & ~is_open.is_null()
            & is_an_owners(MailAddress)
            & entitled()
        )
        .first()
    )
    return reader


def _claimed(mail: Mail, lease: int, reader: MailAddress) -> MailClaim:
    return MailClaim(
        id=mail.id,
        lease=lease,
        kind=mail.kind,
        letter=Letter(mail.subject, mail.text),
        attempts=mail.attempts,
        until=mail.until,
        created_at=mail.created_at,
        business=reader.business.name,
        reader=reader,
    )


def settle_sent(claim: MailClaim, now: datetime) -> None:
    """Note that it was handed in."""
    _settle(claim, {"sent_at": now, "due_at": None, "lease": None, "error": ""})


def settle_failed(claim: MailClaim, why: str, schedule: Schedule, now: datetime) -> None:
    """Note that it was not handed in. It is tried again on the schedule while it is of use."""
    attempts = claim.attempts + 1
    wait = schedule.wait_after(attempts)
    due_at = None if wait is None or now + wait >= claim.until else now + wait
    _settle(claim, {"attempts": attempts, "due_at": due_at, "lease": None, "error": why})


def _settle(claim: MailClaim, changes: dict[str, Any]) -> None:
    """Write these changes. Where the lease is lost somebody else hands it in, and nothing is
    changed.
    """
    with transaction():
        Mail.update(changes).where((Mail.id == claim.id) & (Mail.lease == claim.lease)).execute()
