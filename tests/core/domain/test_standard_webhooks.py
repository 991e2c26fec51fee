"""The headers of Standard Webhooks, verified by the libraries that are published for it."""

import hmac
import json
import os
import secrets
import subprocess
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks.exceptions import WebhookVerificationError
from standardwebhooks.webhooks import Webhook

from core.domain.signing import Secret, standard_headers
from tests.support.programs import needs

NODE_PATH = Path(__file__).parents[2] / "vectors" / "standard_webhooks" / "node_modules"
UUID_ = "019e34a1-4a1b-7d2e-9f00-0123456789ab"
BODY = '{"event":"ticket.created","payload":{"nom":"é","total":55.10}}'.encode()
MINUTES = timedelta(minutes=1)
Headers = dict[str, str]
Accepts = Callable[[Secret, bytes, Headers], bool]

_IN_NODE = """
const { Webhook } = require("standardwebhooks");
const { secret, body, headers } = JSON.parse(require("fs").readFileSync(0, "utf8"));
try { new Webhook(secret).verify(body, headers); process.stdout.write("accepted"); }
catch (error) {
  if (error.name !== "WebhookVerificationError" && !/webhook/i.test(String(error))) throw error;
  process.stdout.write("refused");
}
"""


def python_accepts(secret: Secret, body: bytes, headers: Headers) -> bool:
    try:
        Webhook(secret.reveal()).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


def javascript_accepts(secret: Secret, body: bytes, headers: Headers) -> bool:
    told = {"secret": secret.reveal(), "body": body.decode(), "headers": headers}
    done = subprocess.run(
        ["node", "-e", _IN_NODE],
        input=json.dumps(told).encode(),
        capture_output=True,
        check=True,
        env={**os.environ, "NODE_PATH": str(NODE_PATH)},
    )
    assert done.stdout in {b"accepted", b"refused"}
    return done.stdout == b"accepted"


@pytest.fixture(
    params=[
        pytest.param(python_accepts, id="python"),
        pytest.param(javascript_accepts, id="javascript", marks=needs("node", "nodejs")),
    ]
)
def accepts(request: pytest.FixtureRequest) -> Accepts:
    library: Accepts = request.param
    return library


def sent(secret: Secret, ago: timedelta = timedelta(), body: bytes = BODY) -> Headers:
    return dict(standard_headers(secret, UUID_, datetime.now(UTC) - ago, body))


def new_secret() -> Secret:
    return Secret.draw(secrets.token_bytes)


def test_what_is_sent_is_accepted(accepts: Accepts) -> None:
    secret = new_secret()
    assert accepts(secret, BODY, sent(secret))
    assert accepts(secret, BODY, sent(secret, 4 * MINUTES))


def test_what_is_sent_again_later_is_refused(accepts: Accepts) -> None:
    secret = new_secret()
    assert not accepts(secret, BODY, sent(secret, 6 * MINUTES))
    later = sent(secret, 6 * MINUTES) | {
        name: value for name, value in sent(secret).items() if name == "webhook-timestamp"
    }
    assert not accepts(secret, BODY, later)


def test_what_was_changed_on_the_way_is_refused(accepts: Accepts) -> None:
    secret = new_secret()
    assert not accepts(secret, BODY.replace(b"55.10", b"5.10"), sent(secret))
    other = {**sent(secret), "webhook-id": UUID_.replace("b", "c")}
    assert not accepts(secret, BODY, other)


def test_what_was_signed_with_another_secret_is_refused(accepts: Accepts) -> None:
    assert not accepts(new_secret(), BODY, sent(new_secret()))


def test_the_key_is_what_the_secret_encodes() -> None:
    key = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = f"{UUID_}.1614265330.".encode() + BODY
    expected = b64encode(hmac.digest(key, signed, "sha256")).decode()
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    assert secret.sign_standard(UUID_, 1614265330, BODY) == f"v1,{expected}"
