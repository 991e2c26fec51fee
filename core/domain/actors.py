"""Who acts, and the roles that members have. Pure."""

import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from core.domain.language import N_

OPERATOR = "operator"
_LOOKALIKES = str.maketrans("0оοօрρеаαтτгӏ1", "ooooppeaattrll")  # digits, Cyrillic, Greek, Armenian


class Role(StrEnum):
    OWNER = N_("owner")
    MANAGER = N_("manager")
    STAFF = N_("staff")


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever acts: a member, by login, or the operator, who holds the database and has no login.

    `origin` says where from, for the audit trail: `cli`, `tui`, or the fingerprint of a key.
    """

    login: str | None
    origin: str

    @property
    def name(self) -> str:
        return self.login if self.login is not None else OPERATOR


def looks_like_operator(name: str) -> bool:
    """Whether a reader of the audit trail could take this name for the operator's."""
    plain = unicodedata.normalize("NFKD", name).casefold().translate(_LOOKALIKES)
    return "".join(filter(str.isalnum, plain)).removeprefix("the") == OPERATOR
