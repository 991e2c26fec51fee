"""An address counts once the code mailed to it was typed: on both engines."""

import pytest

from core.domain.actors import Actor, Role
from core.domain.language import Language
from core.errors import BadInput, NotFound, NotIncluded
from core.pipeline.mail import readers_of
from core.pipeline.mail_claims import claim_mail
from core.storage.database import transaction
from core.storage.models import AuditEntry, Business, Mail, MailAddress
from core.storage.vault import Vault
from core.use_cases.businesses import add_business, add_member, remove_member
from core.use_cases.mail import (
    NO_MAIL,
    MailTo,
    confirm_address,
    forget_address,
    give_address,
    mail_to,
)
from tests.support.addresses import add_address, ask, mailed_code
from tests.support.scene import MARIE, MINUTE, NOON, OPERATOR, SECOND, silent

PAUL = Actor("paul", "test")
HERS, OTHER = "marie@example.com", "shop@example.com"


def told(business: int) -> list[str]:
    """Who is told by mail."""
    return [row.address for row in readers_of([business]).get(business, [])]


def confirm(business: int, code: str, vault: Vault, actor: Actor = MARIE, after: int = 0) -> str:
    return confirm_address(actor, business, code, NOON + after * SECOND, vault=vault)


def trail() -> list[tuple[str, str]]:
    rows = AuditEntry.select().where(AuditEntry.action.startswith("mail"))
    return [(row.action, row.subject) for row in rows.order_by(AuditEntry.id)]


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def test_an_address_counts_once_its_code_was_typed(business: int, vault: Vault) -> None:
    assert mail_to(MARIE, business) == NO_MAIL
    ask(business)
    assert (told(business), mail_to(MARIE, business).asked) == ([], HERS)
    code = mailed_code(vault)
    assert confirm(business, f" {code[:3]} {code[3:]} ", vault) == HERS
    assert told(business) == [HERS]
    assert mail_to(MARIE, business) == MailTo(HERS, "", Language.ENGLISH)


def test_the_code_is_kept_nowhere(business: int, vault: Vault) -> None:
    ask(business)
    code = mailed_code(vault)
    with pytest.raises(BadInput):
        confirm(business, wrong(code), vault)
    confirm(business, code, vault)
    for table in (MailAddress, Mail, AuditEntry):
        for row in table.select().dicts():
            assert code not in repr(row)
    assert trail() == [
        ("mail code asked", HERS),
        ("mail code refused", HERS),
        ("mail confirmed", HERS),
    ]


def test_each_code_is_another_and_only_the_latest_is_right(business: int, vault: Vault) -> None:
    ask(business)
    first = mailed_code(vault)
    ask(business)
    second = mailed_code(vault)
    assert first != second
    with pytest.raises(BadInput, match="not the code"):
        confirm(business, first, vault)
    confirm(business, second, vault)


def test_a_code_is_good_for_ten_minutes(business: int, vault: Vault) -> None:
    ask(business)
    code = mailed_code(vault)
    with pytest.raises(BadInput, match="too old"):
        confirm(business, code, vault, after=600)
    assert told(business) == []
    assert confirm(business, code, vault, after=599) == HERS


def test_a_code_is_tried_five_times_and_no_more(business: int, vault: Vault) -> None:
    ask(business)
    code = mailed_code(vault)
    for _ in range(5):
        with pytest.raises(BadInput, match="not the code"):
            confirm(business, wrong(code), vault)
    with pytest.raises(BadInput, match="too often"):
        confirm(business, code, vault)
    ask(business)
    confirm(business, mailed_code(vault), vault)


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "１２３４５６", "abcdef"])
def test_what_is_no_code_is_a_wrong_one(business: int, vault: Vault, typed: str) -> None:
    ask(business)
    with pytest.raises(BadInput, match="not the code"):
        confirm(business, typed, vault)


def test_three_codes_an_hour_are_mailed_for_one_login_and_to_one_address(
    business: int, vault: Vault
) -> None:
    other = add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    for address in (HERS, OTHER, HERS):
        ask(business, address)
    forget_address(MARIE, business, NOON)
    for address in (HERS, "new@example.com"):
        with pytest.raises(BadInput, match="3 codes"):
            ask(business, address)
    ask(other, HERS.upper(), PAUL)
    with pytest.raises(BadInput, match="3 codes"):
        ask(other, HERS, PAUL)
    ask(business, now=NOON + 60 * MINUTE)


def test_another_address_takes_the_place_of_the_one_before_once_it_was_confirmed(
    business: int, vault: Vault
) -> None:
    add_address(vault, business)
    ask(business, OTHER)
    assert told(business) == [HERS]
    assert mail_to(MARIE, business) == MailTo(HERS, OTHER, Language.ENGLISH)
    confirm(business, mailed_code(vault), vault)
    assert told(business) == [OTHER]


def test_of_two_addresses_asked_for_the_latter_waits_for_its_code(
    business: int, vault: Vault
) -> None:
    ask(business)
    ask(business, OTHER)
    assert mail_to(MARIE, business).asked == OTHER
    assert confirm(business, mailed_code(vault), vault) == OTHER
    assert claim_mail(NOON) is None, "the first one's is wanted by nobody"


def test_a_code_is_of_one_member_alone(business: int, vault: Vault) -> None:
    add_member(OPERATOR, business, "paul", Role.OWNER, NOON)
    ask(business)
    code = mailed_code(vault)
    with pytest.raises(NotFound, match="waits for a code"):
        confirm(business, code, vault, PAUL)
    ask(business, HERS, PAUL)
    with pytest.raises(BadInput, match="not the code"):
        confirm(business, code, vault, PAUL)


def test_what_is_forgotten_is_told_nothing(business: int, vault: Vault) -> None:
    add_address(vault, business)
    forget_address(MARIE, business, NOON)
    assert told(business) == []
    assert trail()[-1] == ("mail address removed", HERS)
    with pytest.raises(NotFound):
        forget_address(MARIE, business, NOON)


def test_the_operator_has_an_address_too_and_nobody_is_told_twice(
    business: int, vault: Vault
) -> None:
    add_address(vault, business, OTHER, OPERATOR)
    add_address(vault, business)
    assert told(business) == [OTHER, HERS]
    ask(business, OTHER)
    confirm(business, mailed_code(vault), vault)
    assert told(business) == [OTHER]


def test_who_is_no_owner_any_more_is_told_nothing(business: int, vault: Vault) -> None:
    add_member(OPERATOR, business, "paul", Role.OWNER, NOON)
    add_address(vault, business)
    add_address(vault, business, OTHER, PAUL)
    add_member(OPERATOR, business, "paul", Role.MANAGER, NOON)
    assert told(business) == [HERS]
    remove_member(OPERATOR, business, "marie", NOON)
    assert told(business) == []
    add_member(OPERATOR, business, "marie", Role.OWNER, NOON)
    assert told(business) == []


def test_a_business_without_webhooks_gives_no_address(business: int, vault: Vault) -> None:
    with transaction():
        Business.update(edition="boutique").execute()
    with pytest.raises(NotIncluded):
        ask(business)


def test_what_is_no_address_is_refused_before_anything_is_kept(business: int) -> None:
    with pytest.raises(BadInput, match="not a mail address"):
        ask(business, "marie@example.com\nBcc: x@example.com")
    assert not MailAddress.select().exists()


def test_the_worker_is_rung_once_the_mail_is_there(business: int) -> None:
    seen = list[int]()
    give_address(
        *(MARIE, business, HERS, Language.ENGLISH, NOON),
        wake=lambda: seen.append(Mail.select().count()),
    )
    assert seen == [1]
    silent()
