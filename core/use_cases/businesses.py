"""What operators set up: businesses, members and their SSH keys."""

import base64
import hashlib
from binascii import Error as Base64Error
from datetime import datetime

from core.domain.actors import Actor, Role, looks_like_operator
from core.domain.cleaning import clean
from core.domain.editions import Edition, includes_webhooks
from core.errors import BadInput, NotFound
from core.storage.database import connection, transaction
from core.storage.models import Business, MailAddress, Member, MemberKey, Setting, Webhook
from core.storage.ready import rest, wake
from core.storage.rows import find_business
from core.use_cases.audit import note

_NAME_LIMIT = 200
_LOGIN_LIMIT = 64
_KEY_TYPES = (
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)


def add_business(
    actor: Actor, name: str, edition: str, owner: str | None, now: datetime, *, option: bool = False
) -> int:
    """Add a business, with its first owner where one is named; returns its id."""
    checked = _printable(name, "A business's name", _NAME_LIMIT), parse_edition(edition)
    with transaction():
        business = Business.create(
            name=checked[0], edition=checked[1], option=option, created_at=now
        )
        note(actor, business.id, "business added", now, subject=name)
        if owner is not None:
            add_member(actor, business.id, owner, Role.OWNER, now)
        return int(business.id)


def set_business(
    actor: Actor,
    business_id: int,
    now: datetime,
    *,
    name: str | None = None,
    edition: str | None = None,
    option: bool | None = None,
) -> None:
    """Change what is given of a business. The option takes effect at the next attempt."""
    changes: dict[str, object] = {}
    if name is not None:
        changes["name"] = _printable(name, "A business's name", _NAME_LIMIT)
    if edition is not None:
        changes["edition"] = parse_edition(edition)
    if option is not None:
        changes["option"] = option
    with transaction():
        find_business(business_id)
        if changes:
            Business.update(changes).where(Business.id == business_id).execute()
            business = find_business(business_id)
            webhook_ids = _standing_webhooks(business_id)
            if includes_webhooks(business.edition, option=business.option):
                wake(webhook_ids)
            else:
                rest(webhook_ids)
            told = ", ".join(f"{key} {value}" for key, value in changes.items())
            note(actor, business_id, "business changed", now, subject=told)


def _standing_webhooks(business_id: int) -> list[int]:
    standing = Webhook.select(Webhook.id).where(
        (Webhook.business == business_id) & Webhook.deleted_at.is_null()
    )
    return [webhook_id for (webhook_id,) in standing.tuples()]


def add_member(
    actor: Actor,
    business_id: int,
    login: str,
    role: str,
    now: datetime,
    *,
    key: str | None = None,
    may_export: bool | None = None,
) -> str | None:
    """Make `login` a member, or change the role and add the SSH public key of one who is; returns
    the fingerprint of the key. `may_export` grants the key what it may ask over SSH, or takes that
    back.
    """
    if key is None and may_export is not None:
        raise BadInput("--allow belongs to a key: name the key with --key-file.")
    login, role = _login(login), parse_role(role)
    parsed = parse_public_key(key) if key is not None else None
    with transaction():
        find_business(business_id)
        Member.insert(business=business_id, login=login, role=role, created_at=now).on_conflict(
            conflict_target=[Member.login, Member.business], preserve=[Member.role]
        ).execute()
        note(actor, business_id, "member added", now, subject=f"{login}, {role}")
        if parsed is None:
            return None
        _add_key(login, *parsed, now)
        note(actor, business_id, "key added", now, subject=f"{login}, {parsed[1]}")
        if may_export is not None:
            MemberKey.update(may_export=may_export).where(
                MemberKey.fingerprint == parsed[1]
            ).execute()
            action = "export allowed" if may_export else "export forbidden"
            note(actor, business_id, action, now, subject=f"{login}, {parsed[1]}")
        return parsed[1]


def remove_member(actor: Actor, business_id: int, login: str, now: datetime) -> None:
    """End a membership. Keys and settings go with the login's last one."""
    with transaction():
        find_business(business_id)
        removed = Member.delete().where((Member.business == business_id) & (Member.login == login))
        if not removed.execute():
            raise NotFound(f"{login!r} is not a member of business {business_id}.")
        MailAddress.delete().where(
            (MailAddress.business == business_id) & (MailAddress.login == login)
        ).execute()
        if not Member.select().where(Member.login == login).exists():
            MemberKey.delete().where(MemberKey.login == login).execute()
            Setting.delete().where(Setting.login == login).execute()
        note(actor, business_id, "member removed", now, subject=login)


def _add_key(login: str, public_key: str, fingerprint: str, now: datetime) -> None:
    known = MemberKey.get_or_none(MemberKey.fingerprint == fingerprint)
    if known is None:
        MemberKey.create(
            login=login, public_key=public_key, fingerprint=fingerprint, created_at=now
        )
    elif known.login != login:
        raise BadInput(
            f"The key {fingerprint} is {known.login}'s already: every login needs its own."
        )


def parse_public_key(text: str) -> tuple[str, str]:
    """A line of a .pub file as (type and base64, SHA256 fingerprint). Raises BadInput."""
    kind, _, rest = text.removeprefix("\ufeff").strip().partition(" ")
    encoded = rest.split(" ", 1)[0]
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (Base64Error, ValueError):
        blob = b""
    # The blob begins with the length of the type, and the type again (RFC 4253, section 6.6).
    if kind not in _KEY_TYPES or blob[4 : 4 + len(kind)] != kind.encode():
        raise BadInput("That is not an SSH public key: give the whole line of a .pub file.")
    digest = base64.b64encode(hashlib.sha256(blob).digest()).rstrip(b"=").decode()
    return f"{kind} {encoded}", f"SHA256:{digest}"


def standing_urls() -> list[tuple[int, str]]:
    """The id and URL of every webhook, in all businesses, that was not deleted."""
    with connection():
        standing = Webhook.select(Webhook.id, Webhook.url).where(Webhook.deleted_at.is_null())
        return list(standing.order_by(Webhook.id).tuples())


def parse_edition(name: str) -> Edition:
    try:
        return Edition(name)
    except ValueError:
        raise BadInput(f"There is no edition {name!r}: choose from {', '.join(Edition)}.") from None


def parse_role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        raise BadInput(f"There is no role {name!r}: choose from {', '.join(Role)}.") from None


def _login(login: str) -> str:
    login = _printable(login, "A login", _LOGIN_LIMIT)
    if login.startswith("-") or any(character.isspace() for character in login):
        raise BadInput("A login has no spaces and does not begin with a hyphen.")
    return login


def _printable(text: str, what: str, limit: int) -> str:
    text = text.strip()
    if not 1 <= len(text) <= limit or not text.isprintable() or clean(text) != text:
        raise BadInput(f"{what} has 1 to {limit} printable characters.")
    if looks_like_operator(text):
        raise BadInput(f"{what} must not be taken for the operator's, who is in the audit trail.")
    return text
