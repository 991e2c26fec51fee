"""What is on the wire, and that the stock recipes verify it."""

import copy
import hashlib
import hmac
import json
import os
import pickle
import re
import subprocess
from base64 import b64decode
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.signing import Secret, build_body, build_headers, wire_time, wire_time_of
from core.storage.models import EPOCH, MICROSECOND
from tests.support.programs import needs

SECRET = Secret("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw_-aAbBcCdDe")
UUID_ = "7f3a1c52-4a1b-4d2e-9f00-0123456789ab"
BODY = build_body(
    "ticket.created",
    UUID_,
    "2026-05-17T14:32:08.123Z",
    '{"total": 55.10, "nom": "é", "u": "\u2028", "n": 1234567890123456789012345}'.encode(),
)


def test_a_secret_is_a_prefix_and_33_bytes_that_are_44_letters_and_digits() -> None:
    draws = iter([b"\xff" * 33, b"\xfb" * 33, bytes(range(33)), bytes(33)])
    secret = Secret.draw(lambda count: next(draws)[:count])
    assert re.fullmatch(r"whsec_[A-Za-z0-9]{44}", secret.reveal())
    assert b64decode(secret.reveal().removeprefix("whsec_")) == bytes(range(33))
    assert secret.is_standard
    assert not SECRET.is_standard


def test_the_body_is_these_bytes() -> None:
    assert BODY == (
        b'{"event":"ticket.created","delivery_id":"7f3a1c52-4a1b-4d2e-9f00-0123456789ab",'
        b'"created_at":"2026-05-17T14:32:08.123Z",'
        b'"payload":{"total": 55.10, "nom": "\xc3\xa9", "u": "\xe2\x80\xa8", '
        b'"n": 1234567890123456789012345}}'
    )
    assert list(json.loads(BODY)) == ["event", "delivery_id", "created_at", "payload"]


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2026, 5, 17, 14, 32, 8, tzinfo=UTC), "2026-05-17T14:32:08.000Z"),
        (datetime(2026, 5, 17, 14, 32, 8, 999999, tzinfo=UTC), "2026-05-17T14:32:08.999Z"),
        (
            datetime(2026, 5, 17, 14, 32, 8, tzinfo=timezone(timedelta(hours=2))),
            "2026-05-17T12:32:08.000Z",
        ),
    ],
)
def test_times_are_utc_with_milliseconds(moment: datetime, written: str) -> None:
    assert wire_time(moment) == written


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_stored_time_is_told_like_any_other(moment: datetime) -> None:
    microseconds = (moment - EPOCH) // MICROSECOND
    told = moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    assert wire_time_of(microseconds) == wire_time(moment) == told


def test_a_stored_time_that_was_damaged_may_have_a_fraction() -> None:
    assert wire_time_of(1_790_000_000_000_000.5) == wire_time_of(1_790_000_000_000_000)


def test_the_key_is_the_whole_secret_as_the_owner_sees_it() -> None:
    expected = hmac.new(SECRET.reveal().encode("ascii"), BODY, hashlib.sha256).hexdigest()
    assert SECRET.sign(BODY) == f"sha256={expected}"


def test_a_known_signature_is_made_from_sha256_alone() -> None:
    """HMAC as RFC 2104 writes it down, and its value here."""
    key = SECRET.reveal().encode("ascii").ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + BODY).digest()
    digest = hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).hexdigest()
    assert SECRET.sign(BODY) == f"sha256={digest}"
    assert digest == "0b4bd6d19bb76f9f11d1604709234f68e42a864d06ea0e4d0e9506330901c095"


def test_the_headers_are_these_in_this_order() -> None:
    assert build_headers("ping", UUID_, "sha256=00") == [
        ("Content-Type", "application/json"),
        ("User-Agent", "AuraPOS-Webhooks/1.0"),
        ("X-AuraPOS-Event", "ping"),
        ("X-AuraPOS-Delivery", UUID_),
        ("X-AuraPOS-Signature", "sha256=00"),
    ]


RECIPES = {
    "node": (
        "-e",
        """process.stdout.write(require("crypto").createHmac("sha256", process.env.SECRET)
        .update(require("fs").readFileSync(0)).digest("hex"))""",
    ),
    "php": ("-r", 'echo hash_hmac("sha256", file_get_contents("php://stdin"), getenv("SECRET"));'),
    "openssl": ("dgst", "-sha256", "-hmac", SECRET.reveal()),
}


@pytest.mark.parametrize(
    "tool",
    [
        pytest.param("node", marks=needs("node", "nodejs")),
        pytest.param("php", marks=needs("php", "php-cli")),
        pytest.param("openssl", marks=needs("openssl", "openssl")),
    ],
)
def test_the_stock_recipe_verifies_it(tool: str) -> None:
    done = subprocess.run(
        [tool, *RECIPES[tool]],
        input=BODY,
        capture_output=True,
        check=True,
        env={**os.environ, "SECRET": SECRET.reveal()},
    )
    digest = done.stdout.decode().split()[-1]
    assert SECRET.sign(BODY) == f"sha256={digest}"


def test_a_secret_is_not_shown_by_accident() -> None:
    assert "MfKQ" not in f"{SECRET!r} {SECRET} {[SECRET]}"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="pickled or copied"):
            leak(SECRET)
    with pytest.raises(TypeError):
        hash(SECRET)


def test_secrets_are_equal_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
