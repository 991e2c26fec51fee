"""Where owners are told by mail: an address counts once the code mailed to it has been typed."""

import hmac
import os
from dataclasses import dataclass
from datetime import datetime, timedelta

from peewee import Expression, fn

from core.domain.actors import Actor
from core.domain.language import N_, Language
from core.domain.mail import (
    CODE_DIGITS,
    CODE_LASTS,
    CODE_TRIES,
    CODES_AN_HOUR,
    parse_address,
)
from core.errors import BadInput, NotFound
from core.intake import Wake
from core.pipeline.mail import queue_code
from core.storage.database import after_commit, connection, transaction
from core.storage.literals import is_code
from core.storage.models import Mail, MailAddress, row_lock
from core.storage.rows import find_business
from core.storage.vault import Vault
from core.use_cases.access import authorize, require_included
from core.use_cases.audit import note

_OPERATOR = ""  # whoever holds the database has no login
_HOUR = timedelta(hours=1)
_NONCE_BYTES = 16


@dataclass(frozen=True, slots=True)
class MailTo:
    """The addresses that somebody gave for the alerts of a business."""

    address: str  # the one that counts, "" where none does yet
    asked: str  # the one that waits for its code, "" where none does
    language: Language


NO_MAIL = MailTo("", "", Language.ENGLISH)


def mail_to(actor: Actor, business_id: int) -> MailTo:
    """The addresses that this actor gave."""
    with connection():
        authorize(actor, business_id)
        rows = list(MailAddress.select().where(_own(actor, business_id)))
    if not rows:
        return NO_MAIL
    confirmed = next((row.address for row in rows if row.confirmed_at is not None), "")
    asked = next((row.address for row in rows if row.nonce is not None), "")
    return MailTo(confirmed, asked, Language(rows[0].language))


def give_address(
    actor: Actor, business_id: int, address: str, language: Language, now: datetime, *, wake: Wake
) -> str:
    """Mail a code to an address. One that counts already goes on counting until the new one is
    confirmed. Returns the address as it will be used. Raises BadInput for what is no address, or
    where too many codes were asked for.
    """
    address = parse_address(address)
    with transaction():
        require_included(authorize(actor, business_id))
        find_business(business_id, lock="FOR UPDATE")  # so that codes asked for at once are counted
        _refuse_too_many(actor, address, now)
        MailAddress.delete().where(
            _own(actor, business_id)
            & MailAddress.confirmed_at.is_null()
            & (MailAddress.address != address)
        ).execute()
        MailAddress.insert(
            business=business_id,
            login=actor.login or _OPERATOR,
            address=address,
            language=language,
            asked_at=now,
            nonce=os.urandom(_NONCE_BYTES),
            tries=0,
        ).on_conflict(
            conflict_target=[MailAddress.business, MailAddress.login, MailAddress.address],
            preserve=[
                MailAddress.language,
                MailAddress.asked_at,
                MailAddress.nonce,
                MailAddress.tries,
            ],
        ).execute()
        queue_code(
            MailAddress.get(_own(actor, business_id) & (MailAddress.address == address)), now
        )
        note(actor, business_id, "mail code asked", now, subject=address)
        after_commit(wake)
    return address


def _refuse_too_many(actor: Actor, address: str, now: datetime) -> None:
    same = (Mail.login == (actor.login or _OPERATOR)) | (fn.LOWER(Mail.address) == address.lower())
    lately = (Mail.created_at > now - _HOUR) & (Mail.created_at <= now)
    asked = Mail.select().where(is_code() & lately & same)
    if asked.count() >= CODES_AN_HOUR:
        raise BadInput(
            N_(
                "{count} codes were mailed within an hour: use the latest one, look among the spam "
                "too, or ask again later."
            ),
            count=CODES_AN_HOUR,
        )


def confirm_address(
    actor: Actor, business_id: int, code: str, now: datetime, *, vault: Vault
) -> str:
    """Have the address count from now on, and the one before it no more; returns it. Raises
    BadInput for a code that is wrong, tried too often or too old, and NotFound where none was asked
    for.
    """
    with transaction():
        require_included(authorize(actor, business_id))
        reader = _asked(actor, business_id)
        is_open = abs(now - reader.asked_at) < CODE_LASTS and reader.tries < CODE_TRIES
        given = "".join(code.split()).encode()
        is_right = is_open and hmac.compare_digest(given, code_of(reader, vault).encode())
        if is_right:
            _let_count(actor, reader, now)
        elif is_open:
            MailAddress.update(tries=MailAddress.tries + 1).where(_is(reader)).execute()
        word = "confirmed" if is_right else "code refused"
        note(actor, business_id, f"mail {word}", now, subject=reader.address)
    if not is_open:
        raise BadInput(N_("That code is too old, or was tried too often: ask for another one."))
    if not is_right:
        raise BadInput(
            N_("That is not the code that was mailed: look at the latest mail once more.")
        )
    return str(reader.address)


def forget_address(actor: Actor, business_id: int, now: datetime) -> None:
    """Mail nothing more to this actor about the business. Raises NotFound where there is no
    address.
    """
    with transaction():
        authorize(actor, business_id)
        rows = list(MailAddress.select().where(_own(actor, business_id)))
        if not rows:
            raise NotFound("No mail address was given for this business.")
        MailAddress.delete().where(_own(actor, business_id)).execute()
        for row in rows:
            note(actor, business_id, "mail address removed", now, subject=row.address)


def code_of(reader: MailAddress, vault: Vault) -> str:
    """The code that was drawn for this address. Raises BadKeyFile where the key is another one."""
    about = f"mail {reader.business_id} {reader.login} {reader.address} ".encode()
    return vault.code(about + bytes(reader.nonce), CODE_DIGITS)


def _asked(actor: Actor, business_id: int) -> MailAddress:
    """The address whose code is out, locked, so that tries are counted one after the other."""
    query = MailAddress.select().where(_own(actor, business_id) & ~MailAddress.nonce.is_null())
    reader: MailAddress | None = row_lock(query.order_by(MailAddress.asked_at.desc())).first()
    if reader is None:
        raise NotFound("No mail address waits for a code: give one first.")
    return reader


def _let_count(actor: Actor, reader: MailAddress, now: datetime) -> None:
    others = _own(actor, reader.business_id) & (MailAddress.address != reader.address)
    MailAddress.delete().where(others).execute()
    MailAddress.update(confirmed_at=now, nonce=None).where(_is(reader)).execute()


def _is(reader: MailAddress) -> Expression:
    which: Expression = (
        (MailAddress.business == reader.business_id)
        & (MailAddress.login == reader.login)
        & (MailAddress.address == reader.address)
    )
    return which


def _own(actor: Actor, business_id: int) -> Expression:
    which: Expression = (MailAddress.business == business_id) & (
        MailAddress.login == (actor.login or _OPERATOR)
    )
    return which
