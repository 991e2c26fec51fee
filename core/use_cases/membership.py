"""Who belongs to which business: businesses, their members, and the SSH keys of those."""

from dataclasses import dataclass

from core.domain.actors import Actor, Role
from core.domain.editions import Edition, includes_webhooks
from core.storage.database import connection
from core.storage.models import Business, Member, MemberKey
from core.storage.rows import find_business, grouped


@dataclass(frozen=True, slots=True)
class BusinessRow:
    id: int
    name: str
    edition: Edition
    option: bool

    @property
    def included(self) -> bool:
        return includes_webhooks(self.edition, option=self.option)


@dataclass(frozen=True, slots=True)
class MemberRow:
    login: str
    role: Role
    fingerprints: tuple[str, ...]
    exporting: frozenset[str]  # those that may export


@dataclass(frozen=True, slots=True)
class KeyRow:
    login: str
    may_export: bool


def businesses(actor: Actor) -> list[BusinessRow]:
    """The businesses whose webhooks this actor may see, by id."""
    rows = Business.select().order_by(Business.id)
    if actor.login is not None:
        owned = (Member.login == actor.login) & (Member.role == Role.OWNER)
        rows = rows.join(Member).where(owned)
    with connection():
        return [BusinessRow(row.id, row.name, Edition(row.edition), row.option) for row in rows]


def members(business_id: int) -> list[MemberRow]:
    """The members of a business by login, each with the fingerprints of their keys. Raises NotFound
    for a business that does not exist.
    """
    with connection():
        find_business(business_id)
        logins = list(
            Member.select(Member.login, Member.role)
            .where(Member.business == business_id)
            .order_by(Member.login)
            .tuples()
        )
        keys = (
            MemberKey.select(MemberKey.login, MemberKey.fingerprint, MemberKey.may_export)
            .where(MemberKey.login.in_([login for login, _ in logins]))
            .order_by(MemberKey.id)
            .tuples()
        )
        rows = list(keys)
    fingerprints = grouped((login, fingerprint) for login, fingerprint, _ in rows)
    exporting = frozenset(fingerprint for _, fingerprint, may_export in rows if may_export)
    return [
        MemberRow(
            login,
            Role(role),
            tuple(fingerprints[login]),
            exporting.intersection(fingerprints[login]),
        )
        for login, role in logins
    ]


def find_key(fingerprint: str) -> KeyRow | None:
    """The SSH key with this fingerprint; None if no member has it."""
    with connection():
        row = MemberKey.get_or_none(MemberKey.fingerprint == fingerprint)
    return KeyRow(row.login, row.may_export) if row is not None else None
