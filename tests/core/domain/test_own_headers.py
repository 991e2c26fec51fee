"""Headers of an owner's own: which may be, and that their values show nowhere."""

import pytest

from core.domain.own_headers import MOST_HEADERS, OwnHeader, blotted, parse_headers
from core.domain.signing import Secret
from core.errors import BadInput

VALUE = 'Bearer k&y"7/<x>'


def key(value: str = VALUE) -> OwnHeader:
    return OwnHeader("X-Api-Key", Secret(value))


def test_a_header_is_a_name_and_a_value_or_a_name_alone() -> None:
    first, second = parse_headers([" X-Api-Key : Bearer a:b ", "X-Tenant"])
    assert (first.name, first.variable) == ("X-Api-Key", "$X_API_KEY")
    assert first.value == Secret("Bearer a:b")
    assert second == OwnHeader("X-Tenant")
    assert "Bearer" not in repr(first)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("", "letters, digits and hyphens"),
        ("X Api", "letters, digits and hyphens"),
        ("X_Api", "letters, digits and hyphens"),
        ("Clé", "letters, digits and hyphens"),
        ("X" * 101, "letters, digits and hyphens"),
        *[
            (name, "AuraPOS's own")
            for name in ("Content-Type", "content-length", "User-Agent", "X-AuraPOS-Event")
        ],
        ("webhook-id", "AuraPOS's own"),
        *[
            (name, "framed or where it goes")
            for name in (
                *("Host", "Transfer-Encoding", "connection", "Keep-Alive", "Trailer", "Expect"),
                *("TE", "Upgrade", "Accept-Encoding", "Proxy-Authorization"),
            )
        ],
    ],
)
def test_names_that_cannot_be(name: str, wrong: str) -> None:
    with pytest.raises(BadInput, match=wrong):
        parse_headers([f"{name}: value"])


@pytest.mark.parametrize(
    "value", ["", "a\r\nX-Evil: 1", "a\0b", "clé", "a\tb", "x" * 1001], ids=range(6)
)
def test_values_that_cannot_be_are_not_repeated(value: str) -> None:
    with pytest.raises(BadInput, match="visible ASCII") as refused:
        parse_headers([f"X-Api-Key: {value}"])
    assert not value or value not in str(refused.value)


def test_no_more_than_five_and_none_twice() -> None:
    lines = [f"X-{number}: a" for number in range(MOST_HEADERS)]
    assert len(parse_headers(lines)) == 5
    with pytest.raises(BadInput, match="5 headers"):
        parse_headers([*lines, "X-9: a"])
    with pytest.raises(BadInput, match="x-0 is given twice"):
        parse_headers(["X-0: a", "x-0: b"])


@pytest.mark.parametrize(
    "echo",
    [
        VALUE,
        f"no such key: {VALUE}!",
        'Bearer k&y\\"7/<x>',
        'Bearer k&y\\"7\\/<x>',
        "Bearer k&amp;y&quot;7/&lt;x&gt;",
        'Bearer k&amp;y"7/&lt;x&gt;',
        "Bearer%20k%26y%227%2F%3Cx%3E",
        "Bearer+k%26y%227%2F%3Cx%3E",
        f"{VALUE}{VALUE}",
        f"cut off: {VALUE[:-3]}",
    ],
)
def test_an_answer_that_quotes_a_value_has_its_name_instead(echo: str) -> None:
    shown = blotted(echo.encode(), [key()]).decode()
    assert "Bearer" not in shown
    assert "$X_API_KEY" in shown


def test_an_answer_that_quotes_none_stays_as_it_is() -> None:
    assert blotted(b"unauthorised: Bear", [key(), OwnHeader("X-Tenant")]) == b"unauthorised: Bear"


def test_of_two_values_one_in_the_other_nothing_is_left() -> None:
    headers = [OwnHeader("X-Short", Secret("abc")), OwnHeader("X-Long", Secret("abcdef"))]
    assert blotted(b"abcdef abc", headers) == b"$X_LONG $X_SHORT"
