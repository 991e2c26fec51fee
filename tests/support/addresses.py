"""The shortest way to an address that is told by mail."""

from datetime import datetime

from core.domain.actors import Actor
from core.domain.language import Language
from core.pipeline.mail_claims import claim_mail, settle_sent
from core.storage.vault import Vault
from core.use_cases.mail import code_of, confirm_address, give_address
from tests.support.scene import MARIE, NOON, silent


def ask(
    business: int,
    address: str = "marie@example.com",
    actor: Actor = MARIE,
    now: datetime = NOON,
    language: Language = Language.ENGLISH,
) -> None:
    give_address(actor, business, address, language, now, wake=silent)


def mailed_code(vault: Vault, now: datetime = NOON) -> str:
    """The code of the mail that waits, which is handed in."""
    claim = claim_mail(now)
    assert claim is not None
    settle_sent(claim, now)
    return code_of(claim.reader, vault)


def add_address(
    vault: Vault,
    business: int,
    address: str = "marie@example.com",
    actor: Actor = MARIE,
    now: datetime = NOON,
    language: Language = Language.ENGLISH,
) -> None:
    """One that counts."""
    ask(business, address, actor, now, language)
    confirm_address(actor, business, mailed_code(vault, now), now, vault=vault)
