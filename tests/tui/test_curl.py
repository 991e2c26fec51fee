"""The curl command that `c` copies, run for real."""

import os
import subprocess
from secrets import token_bytes

import pytest
from standardwebhooks.webhooks import Webhook

from core.domain.choices import Choices
from core.domain.delivery import Status
from core.domain.events import EventType
from core.domain.signing import Secret, build_body, build_headers, wire_time
from core.use_cases.deliveries import DeliveryRow, Headline
from core.use_cases.queries import DeliveryDetail
from tests.support.programs import needs
from tests.support.scene import NOON
from tests.support.scripted import receiving
from tests.support.showcase import uuid_of
from tui.screens.delivery import curl

pytestmark = [needs("curl", "curl"), needs("openssl", "openssl")]
SECRET = Secret("whsec_EXAMPLEonlyEXAMPLEonlyEXAMPLEonlyEXAMPLEon")
EVENT, UUID = EventType.TICKET_CREATED, uuid_of(1)
BODY = build_body(EVENT, str(UUID), wire_time(NOON), '{"n":"l\'été à 5 $ %s \\\\ [a]"}'.encode())
DETAIL = DeliveryDetail(
    DeliveryRow(
        id=1,
        uuid=UUID,
        webhook_id=1,
        event=EVENT,
        headline=Headline("ping", "{}"),
        status=Status.DELIVERED,
        attempts=1,
        http_status=200,
        error=None,
        detail="",
        response="",
        duration_us=1,
        attempted_at=NOON,
        created_at=NOON,
        next_attempt_at=None,
        resume_at=None,
        settled_at=NOON,
        recovery=None,
    ),
    (),
    BODY,
)


@pytest.mark.parametrize("target", ["", "/?[a]={b,c}&d=[1-3]", "/a'b$HOME"])
def test_it_sends_the_same_body_signed_to_the_very_url(target: str) -> None:
    with receiving() as receiver:
        command = curl(f"{receiver.url}{target}", DETAIL)
        subprocess.run(
            ["sh", "-c", command],
            env={**os.environ, "SECRET": SECRET.reveal(), "no_proxy": "*"},
            check=True,
            timeout=30,
        )
        [request] = receiver.requests
    assert request.line == f"POST /hook{target} HTTP/1.1"
    assert request.body == BODY
    for name, value in build_headers(EVENT, str(UUID), SECRET.sign(BODY)):
        assert request.headers[name] == value
    assert not [name for name in request.headers if name.lower().startswith("webhook-")]


def test_own_headers_come_from_variables_named_like_them() -> None:
    with receiving() as receiver:
        command = curl(receiver.url, DETAIL, Choices(headers=("X-Api-Key", "X-Tenant")))
        values = {"X_API_KEY": 'a "b" $c', "X_TENANT": "marie"}
        subprocess.run(
            ["sh", "-c", command],
            env={**os.environ, **values, "SECRET": SECRET.reveal(), "no_proxy": "*"},
            check=True,
            timeout=30,
        )
        [request] = receiver.requests
    assert (request.headers["X-Api-Key"], request.headers["X-Tenant"]) == ('a "b" $c', "marie")


def test_it_signs_as_standard_webhooks_have_it_where_that_was_chosen() -> None:
    secret = Secret.draw(token_bytes)
    with receiving() as receiver:
        command = curl(receiver.url, DETAIL, Choices(standard_webhooks=True))
        subprocess.run(
            ["sh", "-c", command],
            env={**os.environ, "SECRET": secret.reveal(), "no_proxy": "*"},
            check=True,
            timeout=30,
        )
        [request] = receiver.requests
    headers = {name.lower(): value for name, value in request.headers.items()}
    Webhook(secret.reveal()).verify(request.body, headers)
    assert headers["webhook-id"] == str(UUID)
