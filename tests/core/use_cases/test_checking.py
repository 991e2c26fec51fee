"""Six receivers get the six right grades, by what they do with the pings of real passes."""

import asyncio
import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook as StandardWebhook
from standardwebhooks.webhooks import WebhookVerificationError

from core.domain.checking import Grade, Ping, Report
from core.domain.choices import Chosen, Format
from core.domain.delivery import Status
from core.domain.events import CHECKS
from core.domain.signing import DELIVERY_HEADER, SIGNATURE_HEADER, Secret
from core.errors import BadInput
from core.pipeline.fan_out import fan_out
from core.storage.models import AuditEntry, Delivery, Webhook
from core.storage.vault import Vault
from core.use_cases import queries, services, workers
from core.use_cases.checking import Check, begin_check, go_on
from core.use_cases.webhook_health import State, overview
from core.verification.evidence import Evidence
from core.verification.history import Post
from core.verification.invariants import check
from tasks.dispatcher import Dispatcher
from tasks.shares import Limits
from tasks.writer import Rules
from tests.support.scene import DAY, MARIE, NOON, SCHEDULE, add_webhook, make_sender, silent
from tui.cli.receiver import Answer, Received, Receiver

OK, NO, BROKEN = (200, b"ok"), (401, b"no"), (500, b"duplicate key")


class StandIn:
    """A receiver of somebody's, with the secret that it was given."""

    def __init__(self) -> None:
        self.secret = Secret("")
        self.posts: list[Post] = []
        self.known: set[str] = set()
        self.url = ""

    def receive(self, received: Received) -> Answer:
        status, body = self.answer(received)
        self.posts.append(Post(received.at, self.url, received.headers, received.body, status))
        return status, body

    def answer(self, _: Received, /) -> Answer:
        raise NotImplementedError

    def is_signed(self, received: Received) -> bool:
        given = received.headers.get(SIGNATURE_HEADER, "")
        return hmac.compare_digest(self.secret.sign(received.body), given)

    def is_standard(self, received: Received) -> bool:
        """By the published library, which looks at the time as well."""
        try:
            StandardWebhook(self.secret.reveal()).verify(received.body, received.headers)
        except WebhookVerificationError:
            return False
        return True


class Sound(StandIn):
    def answer(self, received: Received) -> Answer:
        return OK if self.is_signed(received) and self.is_standard(received) else NO


class Credulous(StandIn):
    def answer(self, _: Received) -> Answer:
        return OK


class Misconfigured(StandIn):
    def answer(self, _: Received) -> Answer:
        return NO


class Timeless(StandIn):
    """Verifies, but not when it was signed."""

    def answer(self, received: Received) -> Answer:
        return OK if self.is_signed(received) else NO


class Stumbling(StandIn):
    """Keeps what it has handled in a table whose ids are unique."""

    def answer(self, received: Received) -> Answer:
        if not self.is_standard(received):
            return NO
        delivery_id = received.headers[DELIVERY_HEADER]
        if delivery_id in self.known:
            return BROKEN
        self.known.add(delivery_id)
        return OK


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def serving(stand_in: StandIn, url: str = "") -> Iterator[None]:
    with Receiver(stand_in.receive) as receiver:
        stand_in.url = url or receiver.url
        yield


def run_pass(vault: Vault) -> None:
    async def main() -> None:
        passing = Dispatcher(
            *(make_sender(), lambda: vault, Rules(SCHEDULE), Limits(256, 16, 256), now),
        )
        try:
            await passing.drain(now)
        finally:
            await passing.close()

    asyncio.run(main())


def register(stand_in: StandIn, business: int, vault: Vault, chosen: Chosen) -> int:
    webhook = add_webhook(vault, business, stand_in.url, chosen=chosen)
    stand_in.secret = webhook.secret
    return webhook.id


def checked(webhook_id: int, vault: Vault) -> tuple[Check, Report]:
    """A whole check, as whoever asked for it goes on with it."""
    under_way = begin_check(MARIE, webhook_id, now(), wake=silent)
    for _ in range(3):
        run_pass(vault)
        found = go_on(MARIE, under_way, now(), wake=silent)
        if found is not None:
            return under_way, found
    raise AssertionError("it did not come to an end")


@pytest.mark.parametrize(
    ("kind", "url", "grade", "accepted"),
    [
        (Sound, "", Grade.SOUND, {Ping.GOOD, Ping.AGAIN}),
        (Credulous, "", Grade.FORGEABLE, set(Ping)),
        (Misconfigured, "", Grade.REFUSES, set()),
        (Timeless, "", Grade.REPLAYABLE, {Ping.GOOD, Ping.AGAIN, Ping.STALE}),
        (Stumbling, "", Grade.STUMBLES, {Ping.GOOD}),
        (Sound, "http://127.0.0.1:1024/", Grade.SILENT, set()),
    ],
)
def test_a_receiver_gets_its_grade(
    business: int,
    vault: Vault,
    kind: type[StandIn],
    url: str,
    grade: Grade,
    accepted: set[Ping],
) -> None:
    stand_in = kind()
    with serving(stand_in, url):
        webhook_id = register(stand_in, business, vault, {"standard_webhooks": True})
        _, found = checked(webhook_id, vault)
    assert found.grade is grade
    assert {ping for ping, each in found.reactions.items() if each.accepted} == accepted
    assert check(evidence(webhook_id, stand_in)) == []


def evidence(webhook_id: int, stand_in: StandIn) -> Evidence:
    return Evidence(stand_in.posts, SCHEDULE, secrets={webhook_id: [stand_in.secret]})


def test_each_ping_is_sent_once_and_the_good_one_twice(business: int, vault: Vault) -> None:
    stand_in = Sound()
    with serving(stand_in):
        webhook_id = register(stand_in, business, vault, {"standard_webhooks": True})
        under_way, _ = checked(webhook_id, vault)
        run_pass(vault)
    rows = {
        ping: queries.delivery_of_event(MARIE, webhook_id, event_id)
        for ping, event_id in under_way.events.items()
    }
    assert set(rows) == {Ping.GOOD, Ping.TAMPERED, Ping.WRONG_SECRET, Ping.STALE}
    assert {row.purpose for row in rows.values() if row} == CHECKS
    assert len(stand_in.posts) == 5
    bodies = [post.body for post in stand_in.posts if post.accepted]
    assert len(bodies) == 2
    assert len(set(bodies)) == 1
    assert workers.waiting_since(now() + DAY) is None


def test_a_body_alone_has_no_age(business: int, vault: Vault) -> None:
    stand_in = Timeless()
    with serving(stand_in):
        under_way, found = checked(register(stand_in, business, vault, {}), vault)
    assert Ping.STALE not in under_way.events
    assert found.grade is Grade.SOUND


def test_a_check_counts_for_neither_health_nor_outages(business: int, vault: Vault) -> None:
    stand_in = Misconfigured()
    with serving(stand_in):
        webhook_id = register(stand_in, business, vault, {})
        checked(webhook_id, vault)
    [health] = overview(MARIE, business, now()).webhooks
    assert (health.state, health.latest, health.given_up) == (State.NEVER, None, 0)
    row = Webhook.get_by_id(webhook_id)
    assert (row.down_since, row.is_recovering) == (None, False)
    assert Delivery.select().where(Delivery.status == Status.ABANDONED).count() == 3
    assert queries.abandoned(MARIE, webhook_id, NOON) == []
    assert services.recover(MARIE, business, NOON, now(), wake=silent) == 0


def test_it_is_in_the_trail(business: int, vault: Vault) -> None:
    webhook_id = add_webhook(vault, business).id
    begin_check(MARIE, webhook_id, NOON, wake=silent)
    entry = AuditEntry.select().order_by(AuditEntry.id.desc()).get()
    assert (entry.actor, entry.action, entry.webhook_id) == ("marie", "checked", webhook_id)


def test_while_nothing_was_sent_there_is_no_report(business: int, vault: Vault) -> None:
    rung: list[bool] = []
    webhook_id = add_webhook(vault, business).id
    under_way = begin_check(MARIE, webhook_id, NOON, wake=lambda: rung.append(True))
    assert rung == [True]
    assert go_on(MARIE, under_way, NOON, wake=silent) is None
    fan_out(100, NOON)
    assert go_on(MARIE, under_way, NOON, wake=silent) is None


def test_a_chat_program_is_not_checked(business: int, vault: Vault) -> None:
    webhook_id = add_webhook(vault, business, chosen={"format": Format.CHAT}).id
    with pytest.raises(BadInput, match="nothing to check"):
        begin_check(MARIE, webhook_id, NOON, wake=silent)
