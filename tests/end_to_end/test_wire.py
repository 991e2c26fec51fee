"""From `emit` to the receiver's socket, through the command line only."""

import hashlib
import hmac
import json
import re

import pytest

from tests.support.installation import Installation
from tests.support.scripted import Act, Scripted, answer, hang, receiving, say
from tests.support.waiting import wait_until

PAYLOAD = (
    '{"total": 55.10, "big": 1234567890123456789012345, "nom": "é", '
    '"literal": "\u2028", "escaped": "\\u2028"}'
)


def test_one_event_is_one_post_exactly_as_promised(
    installed: Installation, receiver: Scripted
) -> None:
    webhook = installed.json(
        *("webhook", "create", receiver.url),
        *("--event", "client.updated", "--event", "ticket.created"),
    )
    assert list(webhook) == ["id", "url", "events", "secret", "created_at"]
    assert webhook["events"] == ["ticket.created", "client.updated"]
    (installed.folder / "payload.json").write_text(PAYLOAD + "\n")
    emit = ("emit", "ticket.created", "payload.json", "--key", "t-1234")
    event = installed.json(*emit)
    assert installed.json(*emit) == {"event_id": event["event_id"], "duplicate": True}
    assert installed.json("tick") == {
        "events": 1,
        "attempts": 1,
        "delivered": 1,
        "failed": 0,
        "abandoned": 0,
    }
    [request] = receiver.requests
    [delivery] = installed.deliveries()
    assert request.line == "POST /hook HTTP/1.1"
    signature = hmac.new(webhook["secret"].encode(), request.body, hashlib.sha256).hexdigest()
    assert request.headers == {
        "Host": receiver.url.split("/")[2],
        "Content-Type": "application/json",
        "User-Agent": "AuraPOS-Webhooks/1.0",
        "X-AuraPOS-Event": "ticket.created",
        "X-AuraPOS-Delivery": delivery["delivery_id"],
        "X-AuraPOS-Signature": f"sha256={signature}",
        "Accept-Encoding": "identity",
        "Content-Length": str(len(request.body)),
    }
    head = f'{{"event":"ticket.created","delivery_id":"{delivery["delivery_id"]}","created_at":"'
    shape = re.escape(head) + r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","payload":(.*)\}'
    found = re.fullmatch(shape, request.body.decode())
    assert found is not None
    assert found[1] == PAYLOAD
    assert json.loads(request.body)["payload"]["big"] == 1234567890123456789012345


def test_a_delivery_is_listed_with_what_became_of_it(
    installed: Installation, receiver: Scripted
) -> None:
    installed.add_webhook(receiver.url)
    installed.emit()
    installed.ok("tick")
    [row] = installed.deliveries()
    assert {
        "delivery_id",
        "event",
        "status",
        "http_status",
        "attempts",
        "response",
        "error",
        "created_at",
        "next_attempt_at",
    } <= set(row)
    assert (row["status"], row["http_status"], row["attempts"]) == ("delivered", 200, 1)
    assert (row["response"], row["error"], row["next_attempt_at"]) == ("ok", None, None)


def test_five_refusals_are_five_posts_of_the_same_bytes_and_then_it_is_abandoned(
    installed: Installation,
) -> None:
    with receiving(answer(500, b"no")) as receiver:
        installed.add_webhook(receiver.url)
        installed.emit()
        statuses = []

        def ticked() -> bool:
            installed.ok("tick")
            [row] = installed.deliveries()
            if len(statuses) < row["attempts"]:
                statuses.append(row["status"])
            return row["status"] == "abandoned"

        wait_until(ticked)
        installed.ok("tick")
    assert statuses == ["failed"] * 4 + ["abandoned"]
    assert len(receiver.requests) == 5
    assert len({request.body for request in receiver.requests}) == 1
    assert len({request.headers["X-AuraPOS-Delivery"] for request in receiver.requests}) == 1


def test_a_third_attempt_that_is_accepted_ends_it(installed: Installation) -> None:
    with receiving(answer(500), answer(503), answer(200)) as receiver:
        installed.add_webhook(receiver.url)
        installed.emit()
        wait_until(lambda: installed.json("tick")["delivered"])
    [row] = installed.deliveries()
    assert (row["status"], row["attempts"], len(receiver.requests)) == ("delivered", 3, 3)
    log = installed.json("delivery", "show", row["delivery_id"])["attempt_log"]
    assert [attempt["http_status"] for attempt in log] == [500, 503, 200]


@pytest.mark.parametrize(
    ("act", "word", "status"),
    [
        (answer(302, b"", "Location: /elsewhere"), "redirect", 302),
        (answer(404), "status", 404),
        (say(b"SSH-2.0-OpenSSH_9.2\r\n"), "protocol", None),
        (say(b""), "protocol", None),
    ],
    ids=["redirect", "404", "not HTTP", "closed at once"],
)
def test_each_failure_has_its_own_word(
    installed: Installation, act: Act, word: str, status: int | None
) -> None:
    with receiving(act) as receiver:
        installed.add_webhook(receiver.url)
        installed.emit()
        assert installed.json("tick")["failed"] == 1
    [row] = installed.deliveries()
    assert (row["status"], row["error"], row["http_status"]) == ("failed", word, status)
    assert len(receiver.requests) == 1


def test_silence_has_its_own_word(installed: Installation) -> None:
    """On a busy machine the time may be over before all was sent, or while nothing ran here: that
    is not the receiver's fault, and the attempt is made again.
    """
    installed.config.write_text(installed.config.read_text().replace('"20s"', '"2s"'))
    with receiving(hang) as receiver:
        installed.add_webhook(receiver.url)
        installed.emit()
        wait_until(lambda: installed.json("tick")["failed"])
    [row] = installed.deliveries()
    assert (row["status"], row["error"], row["http_status"]) == ("failed", "timeout", None)


def test_a_refused_connection_has_its_own_word(installed: Installation) -> None:
    with receiving() as gone:
        url = gone.url
    installed.add_webhook(url)
    installed.emit()
    installed.ok("tick")
    assert [row["error"] for row in installed.deliveries()] == ["connect"]


def test_a_regenerated_secret_signs_the_next_attempt(installed: Installation) -> None:
    with receiving(answer(500), answer(200)) as receiver:
        installed.add_webhook(receiver.url)
        installed.emit()
        installed.ok("tick")
        secret = installed.regenerate_secret()
        wait_until(lambda: installed.json("tick")["delivered"])
    first, second = receiver.requests
    signature = hmac.new(secret.reveal().encode(), second.body, hashlib.sha256).hexdigest()
    assert second.headers["X-AuraPOS-Signature"] == f"sha256={signature}"
    assert first.headers["X-AuraPOS-Signature"] != f"sha256={signature}"


@pytest.mark.fault(31, "key file missing or wrong")
def test_without_the_key_nothing_is_sent_and_with_it_all_is(
    installed: Installation, receiver: Scripted
) -> None:
    installed.add_webhook(receiver.url)
    installed.emit()
    key = installed.folder / "aurapos-webhooks.key"
    key.rename(installed.folder / "elsewhere")
    assert "is missing" in installed.fails("tick")
    assert receiver.requests == []
    (installed.folder / "elsewhere").rename(key)
    assert installed.json("tick")["delivered"] == 1
    assert [row["attempts"] for row in installed.deliveries()] == [1]


def test_an_option_switched_off_stops_everything_and_on_again_it_goes_on(
    installed: Installation, receiver: Scripted
) -> None:
    installed.ok("business", "set", "1", "--edition", "boutique", "--option", "on")
    installed.add_webhook(receiver.url)
    installed.emit()
    installed.ok("business", "set", "1", "--option", "off")
    refused = installed.fails("emit", "ticket.created", stdin=b"{}")
    assert "Boutique" in refused
    assert "€24 a month" in refused
    assert installed.json("tick")["attempts"] == 0
    assert receiver.requests == []
    installed.ok("business", "set", "1", "--option", "on")
    assert installed.json("tick")["delivered"] == 1


def test_the_same_push_twice_publishes_nothing_the_second_time(
    installed: Installation, receiver: Scripted
) -> None:
    installed.add_webhook(receiver.url)
    push = "\n".join(
        [
            '{"entity":"ticket","before":null,"after":{"statut":"valide","t":55.10},"key":"a"}',
            "not json",
            '{"entity":"ticket","before":null,"after":{"statut":"ouvert"},"key":"b"}',
            '{"entity":"client","before":null,"after":{"nom":"é"},"key":"c"}',
        ]
    ).encode()
    first, second = (installed.run("sync", "--json", stdin=push) for _ in range(2))
    assert (first.returncode, second.returncode) == (1, 1)
    assert first.stderr.startswith("line 2: ")
    counts = {"lines": 4, "published": 2, "duplicates": 0, "no_event": 1, "bad": 1}
    assert json.loads(first.stdout) == counts
    assert json.loads(second.stdout) == {**counts, "published": 0, "duplicates": 2}
    installed.ok("tick")
    bodies = sorted(request.body.partition(b'"payload":')[2] for request in receiver.requests)
    assert bodies == ['{"nom":"é"}}'.encode(), b'{"statut":"valide","t":55.10}}']
