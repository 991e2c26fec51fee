"""Operators' set-up: businesses, members and keys, on both engines."""

import pytest

from core.errors import BadInput, NotFound
from core.storage.database import transaction
from core.storage.models import AuditEntry
from core.use_cases import membership
from core.use_cases.businesses import (
    add_business,
    add_member,
    parse_public_key,
    remove_member,
    set_business,
)
from core.use_cases.membership import KeyRow
from tests.support.scene import NOON, OPERATOR

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINLDP7Kgfu3QpkeyQbdw9xEBbh8fM4X1ShX8z9GkPRpp"
FINGERPRINT = "SHA256:qBt5vloUfQ9cPoF3tggKxQPPWby9E2qhkJg6tPsxdXg"


def test_a_public_key_is_its_type_and_base64_with_the_fingerprint_that_ssh_keygen_prints() -> None:
    assert parse_public_key(f"{KEY} marie@laptop\n") == (KEY, FINGERPRINT)


@pytest.mark.parametrize(
    "text",
    ["", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa " + KEY.split()[1], "-----BEGIN", "\x00"],
)
def test_what_is_not_a_public_key_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="give the whole line"):
        parse_public_key(text)


def test_a_member_has_one_role_and_its_keys(business: int) -> None:
    add_member(OPERATOR, business, "paul", "staff", NOON)
    fingerprint = add_member(OPERATOR, business, "paul", "manager", NOON, key=KEY)
    add_member(OPERATOR, business, "paul", "manager", NOON, key=KEY)
    rows = {row.login: row for row in membership.members(business)}
    assert rows["paul"].role == "manager"
    assert rows["paul"].fingerprints == (fingerprint,)
    assert rows["marie"].fingerprints == ()


def test_what_is_allowed_is_allowed_to_a_key_and_goes_with_it(business: int) -> None:
    with pytest.raises(BadInput, match="--key-file"):
        add_member(OPERATOR, business, "paul", "owner", NOON, may_export=True)
    for _ in range(2):
        fingerprint = str(add_member(OPERATOR, business, "paul", "owner", NOON, key=KEY))
        assert membership.find_key(fingerprint) == KeyRow("paul", may_export=False)
        add_member(OPERATOR, business, "paul", "owner", NOON, key=KEY, may_export=True)
        assert membership.find_key(fingerprint) == KeyRow("paul", may_export=True)
        remove_member(OPERATOR, business, "paul", NOON)
        assert membership.find_key(fingerprint) is None


def test_a_key_opens_one_login_only(business: int) -> None:
    add_member(OPERATOR, business, "paul", "staff", NOON, key=KEY)
    with pytest.raises(BadInput, match="paul's already"):
        add_member(OPERATOR, business, "marie", "owner", NOON, key=KEY)


def test_keys_go_with_the_last_membership(business: int) -> None:
    other = add_business(OPERATOR, "Chez Paul", "group", None, NOON)
    for each in (business, other):
        add_member(OPERATOR, each, "paul", "owner", NOON, key=KEY)
    remove_member(OPERATOR, business, "paul", NOON)
    assert len(membership.members(other)[0].fingerprints) == 1
    remove_member(OPERATOR, other, "paul", NOON)
    add_member(OPERATOR, other, "zoe", "owner", NOON, key=KEY)


def test_a_business_changes_only_where_told(business: int) -> None:
    set_business(OPERATOR, business, NOON, edition="boutique", option=True)
    [row] = membership.businesses(OPERATOR)
    assert (row.name, row.edition, row.option, row.included) == (
        "Chez Marie",
        "boutique",
        True,
        True,
    )
    set_business(OPERATOR, business, NOON, option=False)
    assert not membership.businesses(OPERATOR)[0].included


def test_unknown_things_are_refused(business: int) -> None:
    with pytest.raises(NotFound):
        set_business(OPERATOR, 77, NOON, option=True)
    with pytest.raises(NotFound):
        add_member(OPERATOR, 77, "paul", "owner", NOON)
    with pytest.raises(NotFound):
        remove_member(OPERATOR, business, "paul", NOON)
    with pytest.raises(BadInput):
        add_business(OPERATOR, "a\x1b[2J", "group", None, NOON)


@pytest.mark.parametrize("name", ["", " ", "a" * 201, "a\nb", "a\u202eb"])
def test_a_name_that_cannot_be_shown_is_refused(database: str, name: str) -> None:
    with pytest.raises(BadInput, match="1 to 200 printable"):
        add_business(OPERATOR, name, "group", None, NOON)
    assert membership.businesses(OPERATOR) == []


@pytest.mark.parametrize("login", ["", "-o", "a b", "a\tb", "x" * 65, "a\x00"])
def test_a_login_that_cannot_be_one_is_refused(business: int, login: str) -> None:
    with pytest.raises(BadInput, match="login"):
        add_member(OPERATOR, business, login, "owner", NOON)
    assert [row.login for row in membership.members(business)] == ["marie"]


def test_a_mistaken_role_or_edition_is_told_the_right_ones(business: int) -> None:
    with pytest.raises(BadInput, match="owner, manager, staff"):
        add_member(OPERATOR, business, "paul", "boss", NOON)
    with pytest.raises(BadInput, match="group, restaurant_group, express"):
        set_business(OPERATOR, business, NOON, edition="gold", option=True)
    assert membership.businesses(OPERATOR)[0].edition == "group"


def test_names_are_kept_without_the_space_around_them(database: str) -> None:
    business = add_business(OPERATOR, " Chez Zoé ", "group", " zoé ", NOON)
    assert membership.businesses(OPERATOR)[0].name == "Chez Zoé"
    assert membership.members(business)[0].login == "zoé"


def test_set_up_is_in_the_audit_trail(business: int) -> None:
    set_business(OPERATOR, business, NOON, option=True)
    set_business(OPERATOR, business, NOON)
    add_member(OPERATOR, business, "paul", "staff", NOON, key=KEY)
    remove_member(OPERATOR, business, "paul", NOON)
    with transaction():
        rows = AuditEntry.select().order_by(AuditEntry.id)
        trail = [(row.action, row.subject) for row in rows]
    assert trail == [
        ("business added", "Chez Marie"),
        ("member added", "marie, owner"),
        ("business changed", "option True"),
        ("member added", "paul, staff"),
        ("key added", f"paul, {FINGERPRINT}"),
        ("member removed", "paul"),
    ]
