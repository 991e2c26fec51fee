"""What is to be mailed, and to whom: a row for each mail, as the outbox has one for each event."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from peewee import Expression, fn

from core.domain.actors import Role
from core.domain.alerts import Edge
from core.domain.language import Language
from core.domain.mail import ALERT_LASTS, CODE, CODE_LASTS, Letter, alert_letter
from core.storage.database import one_of, transaction
from core.storage.literals import has_value
from core.storage.models import (
    Mail,
    MailAddress,
    Member,
)
from core.wording import wording

NOT_WANTED = ""  # why it was given up where nothing went wrong


def readers_of(business_ids: Collection[int]) -> dict[int, list[MailAddress]]:
    """The addresses that are told by mail, each once, by business."""
    found = defaultdict[int, dict[str, MailAddress]](dict)
    confirmed = one_of(MailAddress.business, business_ids) & ~MailAddress.confirmed_at.is_null()
    rows = MailAddress.select().where(confirmed & is_an_owners(MailAddress))
    for row in rows.order_by(MailAddress.login):
        found[row.business_id].setdefault(row.address, row)
    return {business_id: list(rows.values()) for business_id, rows in found.items()}


def queue_alert(
    reader: MailAddress, edge: Edge, webhook_id: int, sentence: str, now: datetime
) -> None:
    """Queue an alert by mail, in the transaction that notes it as told."""
    speaks, name = wording(Language(reader.language)), reader.business.name
    letter = alert_letter(sentence, webhook_id, edge.since, name, speaks)
    _queue(reader, edge.kind, letter, now, ALERT_LASTS)


def queue_code(reader: MailAddress, now: datetime) -> None:
    """Queue the mail with a code. The letter is written only when it is sent, so the code is kept
    nowhere. Earlier mails would have the same code: they are given up.
    """
    older = _of_address(reader) & (Mail.kind == CODE) & has_value(Mail.due_at)
    Mail.update(given_up(NOT_WANTED)).where(older).execute()
    _queue(reader, CODE, Letter("", ""), now, CODE_LASTS)


def _queue(reader: MailAddress, kind: str, letter: Letter, now: datetime, lasts: timedelta) -> None:
    Mail.insert(
        business=reader.business_id,
        login=reader.login,
        address=reader.address,
        kind=kind,
        subject=letter.subject,
        text=letter.text,
        created_at=now,
        until=now + lasts,
        due_at=now,
    ).execute()


def is_an_owners(whose: Any) -> Expression:
    """Whether the address is an owner's, or the operator's."""
    owner = Member.select(Member.id).where(
        (Member.business == whose.business)
        & (Member.login == whose.login)
        & (Member.role == Role.OWNER)
    )
    is_owners: Expression = (whose.login == "") | fn.EXISTS(owner)
    return is_owners


def given_up(why: str) -> dict[str, Any]:
    """The columns of a mail that will not be handed in; `why` says what went wrong."""
    return {"due_at": None, "lease": None, "error": why}


def _of_address(reader: MailAddress) -> Expression:
    which: Expression = (
        (Mail.business == reader.business_id)
        & (Mail.login == reader.login)
        & (Mail.address == reader.address)
    )
    return which


def pull_back_mail(now: datetime) -> int:
    """Have a mail be due now that would wait for longer than it is of use: a clock that was ahead
    has queued it. Returns how many mails that were.
    """
    latest = now + ALERT_LASTS
    with transaction():
        pulled = Mail.update(due_at=now, lease=None, until=latest).where(Mail.due_at > latest)
        return int(pulled.execute())


def forget_mail(before: datetime) -> None:
    """Forget the mails that were made before then and wait no more."""
    with transaction():
        Mail.delete().where(Mail.due_at.is_null() & (Mail.created_at < before)).execute()
