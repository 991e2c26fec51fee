"""Which URLs and addresses may be called."""

import csv
import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.url_policy import UrlPolicy
from core.errors import BlockedUrl
from tests.support.scene import DEVELOPMENT

VECTORS = Path(__file__).parents[3] / "tests" / "vectors" / "urls.csv"
PUBLIC = UrlPolicy()


def vectors() -> list[tuple[str, str, str]]:
    with VECTORS.open(newline="") as file:
        return [
            (row["url"].encode("ascii").decode("unicode_escape"), row["verdict"], row["reason"])
            for row in csv.DictReader(file)
        ]


def lookups(reason: str) -> list[list[str]]:
    """The answers that a reason of the form `DNS(a|b -> later)` gives, at save and then at send."""
    found = re.match(r"DNS\(([^)]*)\)", reason)
    steps = found[1].split("->") if found else []
    return [[each.strip() for each in step.split("|") if each.strip()] for step in steps]


def verdict(url: str, reason: str) -> str:
    try:
        host = PUBLIC.check_url(url).host
        for addresses in lookups(reason):
            if not PUBLIC.check_addresses(host, addresses):
                return "reject"  # no address at all: the sender's `dns` failure
    except BlockedUrl as error:
        return "reject" if re.fullmatch(r"[^\n]+\.", str(error)) else "not one sentence"
    return "accept"


@pytest.mark.parametrize(("url", "expected", "reason"), vectors())
def test_every_vector_comes_out_as_its_verdict(url: str, expected: str, reason: str) -> None:
    assert verdict(url, reason) == expected


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("HTTPS://Example.COM", "https://example.com/"),
        ("https://example.com:443/a?b=c", "https://example.com/a?b=c"),
        ("https://example.com?b=c", "https://example.com/?b=c"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("https://münchen.de/ü?ö", "https://xn--mnchen-3ya.de/%C3%BC?%C3%B6"),
        ("https://example.com/%41/../x", "https://example.com/x"),
        ("https://example.com/a/./b/%2E%2e/c/..", "https://example.com/a/"),
        ("https://example.com/../../x", "https://example.com/x"),
        ("https://example.com//a//b/.", "https://example.com//a//b/"),
        ("https://example.com/hook?", "https://example.com/hook"),
        ("https://example.com/%41?../x=.", "https://example.com/%41?../x=."),
        ("https://_hooks.my_shop.example.com/", "https://_hooks.my_shop.example.com/"),
        ("https://[2606:4700:4700:0::1111]/", "https://[2606:4700:4700::1111]/"),
    ],
)
def test_a_url_is_stored_in_its_one_spelling(typed: str, stored: str) -> None:
    assert PUBLIC.check_url(typed).url == stored
    assert PUBLIC.check_url(stored).url == stored


def test_what_a_name_points_to_is_not_told() -> None:
    with pytest.raises(BlockedUrl) as refused:
        PUBLIC.check_addresses("shop.example.net", ["10.20.30.40"])
    assert "10.20.30.40" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://localhost:8080/", "http://127.0.0.1:8080/hook", "https://localhost:8443/"]
)
def test_development_settings_let_this_machine_be_called(url: str) -> None:
    assert DEVELOPMENT.check_url(url).url == url
    with pytest.raises(BlockedUrl):
        PUBLIC.check_url(url)


def test_development_settings_exempt_only_the_networks_named() -> None:
    assert DEVELOPMENT.allows_address("127.0.0.1")
    assert DEVELOPMENT.allows_address("::ffff:127.0.0.1")
    assert not DEVELOPMENT.allows_address("10.0.0.1")
    with pytest.raises(BlockedUrl):
        DEVELOPMENT.check_url("http://169.254.169.254/latest/meta-data")


def spellings(address: IPv4Address) -> list[str]:
    number, octets = int(address), address.packed
    dotted = str(address)
    return [
        dotted,
        str(number),
        hex(number),
        oct(number).replace("0o", "0"),
        ".".join(hex(octet) for octet in octets),
        ".".join(f"0{octet:o}" for octet in octets),
        f"{octets[0]}.{number & 0xFFFFFF}",
        f"{octets[0]}.{octets[1]}.{number & 0xFFFF}",
        dotted + ".",
        dotted.replace(".", "。"),
        dotted.translate({ord("0") + digit: ord("\uff10") + digit for digit in range(10)}),
        f"[::ffff:{dotted}]",
        f"[::{dotted}]",
        f"[64:ff9b::{dotted}]",
        f"[2002:{octets[0]:x}{octets[1]:02x}:{octets[2]:x}{octets[3]:02x}::]",
    ]


@given(st.ip_addresses(v=4), st.integers(0, 14))
def test_no_spelling_of_an_ipv4_address_gets_round_the_check(
    address: IPv4Address, which: int
) -> None:
    text = spellings(address)[which]
    try:
        target = PUBLIC.check_url(f"https://{text}/")
    except BlockedUrl:
        return
    assert PUBLIC.allows_address(target.host)
    assert ip_address(target.host) == address
    assert address.is_global


@given(st.ip_addresses(v=6))
def test_only_global_unicast_ipv6_is_accepted(address: IPv6Address) -> None:
    if PUBLIC.allows_address(str(address)):
        assert address.ipv4_mapped is not None or address in ip_network("2000::/3")


@given(st.text())
def test_whatever_is_typed_is_accepted_or_refused_and_nothing_else(text: str) -> None:
    for url in (text, f"https://{text}", f"https://example.com/{text}"):
        try:
            accepted = PUBLIC.check_url(url)
        except BlockedUrl:
            continue
        assert accepted.url.isascii()
        assert accepted.url.isprintable()
        assert PUBLIC.check_url(accepted.url) == accepted


@given(st.text())
def test_what_is_not_an_address_is_never_dialled(text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        assert not PUBLIC.allows_address(text)
