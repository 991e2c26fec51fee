"""The checker of invariants itself: a good history passes, and each way to break one is seen."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from core.domain.alerts import About, Edge, Kind, alert_payload
from core.domain.choices import Chosen, Format
from core.domain.delivery import Answered, ErrorKind, Outcome, Status, Unreachable
from core.domain.events import EventType, Purpose
from core.domain.language import Language
from core.domain.signing import build_body, build_headers
from core.intake import publish, queue_for
from core.pipeline import leases, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.leases import LEASE, Claim
from core.pipeline.retention import prune
from core.pipeline.settling import Settlement
from core.storage.database import proxy
from core.storage.due import waiting_webhooks
from core.storage.models import Attempt, Delivery, Event, SelectedEvent, Webhook
from core.storage.vault import Vault
from core.use_cases import services
from core.use_cases.businesses import add_business
from core.use_cases.checking import begin_check
from core.use_cases.services import NewWebhook
from core.verification.evidence import Evidence
from core.verification.history import Post
from core.verification.invariants import Rule, check
from core.wording import wording
from tests.support.scene import (
    DAY,
    DEVELOPMENT,
    MARIE,
    MINUTE,
    NOON,
    OPERATOR,
    SCHEDULE,
    SECOND,
    add_webhook,
    silent,
)

OK = Answered(200, "ok")
BROKEN = Answered(500, "oops")
SILENT = Unreachable(ErrorKind.TIMEOUT, "no answer in 10 s")


class Play:
    """What workers do and what a receiver sees, a step at a time, beginning a minute past noon."""

    def __init__(self, vault: Vault, business: int) -> None:
        self.business = business
        self.webhook: NewWebhook = add_webhook(vault, business)
        self.secret = self.webhook.secret
        self.now = NOON + MINUTE
        self.posts: list[Post] = []
        self.published: list[str] = []

    def publish(self) -> None:
        key = f"t-{len(self.published)}"
        publish(self.business, EventType.TICKET_CREATED, b"{}", self.now, key=key, wake=silent)
        self.published.append(key)

    def fan_out(self) -> None:
        fan_out(100, self.now)

    def attempt(self, outcome: Outcome | None, answered: int | None) -> None:
        """Claim and POST all that is due; settle unless the outcome is None, which is a crash."""
        self.settle(self.claim(16), outcome, answered)

    def claim(self, room: int) -> list[Claim]:
        ready = waiting_webhooks(self.now)
        restrained = [each.webhook_id for each in ready if each.is_restrained]
        return leases.claim({self.webhook.id: room}, SCHEDULE, self.now, restrained=restrained)

    def settle(self, claims: list[Claim], outcome: Outcome | None, answered: int | None) -> None:
        for claim in claims:
            body = claim.rendered or build_body(
                claim.event_type, claim.uuid, claim.created_at, claim.payload
            )
            headers = build_headers(claim.event_type, claim.uuid, self.secret.sign(body))
            self.posts.append(Post(self.now, claim.url, dict(headers), body, answered))
        if outcome is not None:
            settlements = [Settlement(claim, outcome, self.now, SECOND) for claim in claims]
            settling.settle(settlements, SCHEDULE, self.now + SECOND)

    def wait(self, time: timedelta) -> None:
        self.now += time

    def delivers(self) -> None:
        """One event, delivered at once."""
        self.publish()
        self.fan_out()
        self.attempt(OK, 200)

    def evidence(self, **known: object) -> Evidence:
        everything = {"published": self.published, "secrets": {self.webhook.id: [self.secret]}}
        return Evidence(self.posts, SCHEDULE, **(everything | known))  # type: ignore[arg-type]

    def broken(self, **known: object) -> dict[Rule, list[str]]:
        found: dict[Rule, list[str]] = {}
        for rule, sentence in check(self.evidence(**known)):
            found.setdefault(rule, []).append(sentence)
        return found


@pytest.fixture
def play(vault: Vault, business: int) -> Play:
    return Play(vault, business)


# Histories that are as they must be


def test_a_delivery_with_failures_a_crash_a_lost_answer_and_a_redelivery_is_in_order(
    play: Play,
) -> None:
    play.publish()
    play.fan_out()
    play.attempt(BROKEN, 500)
    play.wait(2 * MINUTE)
    play.attempt(None, 200)
    play.wait(LEASE)
    play.attempt(SILENT, 200)
    play.wait(10 * MINUTE)
    play.attempt(OK, 200)
    [delivery] = Delivery.select()
    services.redeliver(MARIE, str(delivery.uuid), play.now, wake=silent)
    assert check(play.evidence()) == []
    play.attempt(OK, 200)
    assert check(play.evidence()) == []
    assert len(play.posts) == 5


def test_redeliveries_beside_the_schedule_are_in_order(play: Play) -> None:
    play.publish()
    play.fan_out()
    play.attempt(BROKEN, 500)
    [delivery] = Delivery.select()
    for _ in range(3):
        services.redeliver(MARIE, str(delivery.uuid), play.now, wake=silent)
        play.attempt(BROKEN, 500)
        play.wait(5 * SECOND)
    assert check(play.evidence()) == []
    for _ in range(4):
        play.wait(3 * 60 * MINUTE)
        play.attempt(BROKEN, 500)
    assert Delivery.get().status == Status.ABANDONED
    assert check(play.evidence()) == []


def test_an_attempt_beside_the_schedule_that_nobody_asked_for_is_seen(play: Play) -> None:
    play.publish()
    play.fan_out()
    play.attempt(BROKEN, 500)
    Delivery.update(due_at=play.now, resume_at=play.now + MINUTE).execute()
    play.attempt(BROKEN, 500)
    [sentence] = play.broken()[Rule.COUNTED]
    assert "beside its schedule, for no reason" in sentence


def test_one_that_was_given_up_is_in_order_and_so_is_its_recovery(play: Play) -> None:
    play.publish()
    play.fan_out()
    for _ in range(5):
        play.attempt(BROKEN, 500)
        play.wait(3 * 60 * MINUTE)
    assert Delivery.get().status == Status.ABANDONED
    assert check(play.evidence()) == []
    services.recover(MARIE, play.business, NOON, play.now, wake=silent)
    play.attempt(BROKEN, 500)
    assert check(play.evidence()) == []


def test_what_waits_in_the_outbox_or_is_in_flight_is_in_order(play: Play) -> None:
    play.publish()
    assert check(play.evidence()) == []
    play.fan_out()
    play.attempt(None, 200)
    assert check(play.evidence()) == []


def test_a_webhook_made_later_a_ping_and_a_deletion_are_in_order(play: Play, vault: Vault) -> None:
    play.delivers()
    later = add_webhook(vault, play.business, "https://example.com/later", now=play.now + MINUTE)
    play.wait(2 * MINUTE)
    services.send_test(MARIE, play.webhook.id, play.now, wake=silent)
    play.fan_out()
    play.attempt(OK, 200)
    services.delete_webhook(MARIE, later.id, play.now)
    play.publish()
    play.fan_out()
    services.delete_webhook(MARIE, play.webhook.id, play.now)
    assert check(play.evidence()) == []


def test_a_sample_is_in_order_however_it_ends(play: Play, vault: Vault) -> None:
    add_webhook(vault, play.business, "https://example.com/other")
    play.delivers()
    for outcome, status in ((OK, 200), (BROKEN, 500)):
        services.send_sample(MARIE, play.webhook.id, "client.created", play.now, wake=silent)
        play.fan_out()
        play.attempt(outcome, status)
    assert check(play.evidence()) == []


def test_a_ping_that_is_to_be_refused_must_not_be_signed_rightly(play: Play) -> None:
    begin_check(MARIE, play.webhook.id, play.now, wake=silent)
    play.fan_out()
    play.attempt(OK, 200)
    assert {rule: len(found) for rule, found in play.broken().items()} == {Rule.SIGNED: 2}


def test_a_ping_of_a_check_is_attempted_once(play: Play) -> None:
    begin_check(MARIE, play.webhook.id, play.now, wake=silent)
    play.fan_out()
    play.attempt(BROKEN, 500)
    Event.update(purpose=Purpose.CHECK).execute()  # signed rightly, as they were here
    assert check(play.evidence()) == []
    Event.update(purpose=None).execute()
    assert "abandoned with attempts left" in play.broken()[Rule.LOST][0]


def test_an_edited_and_a_resigned_webhook_are_in_order(play: Play, vault: Vault) -> None:
    play.delivers()
    play.wait(MINUTE)
    earlier = play.secret
    play.secret = services.regenerate_secret(MARIE, play.webhook.id, play.now, vault=vault)
    only_tickets = [EventType.TICKET_CREATED]
    services.edit_webhook(
        MARIE,
        play.webhook.id,
        play.now,
        url="https://example.com/new",
        events=only_tickets,
        policy=DEVELOPMENT,
    )
    play.delivers()
    assert check(play.evidence(secrets={play.webhook.id: [earlier, play.secret]})) == []


def test_a_clock_that_was_set_back_makes_nothing_younger_and_nothing_late(play: Play) -> None:
    play.publish()
    play.fan_out()
    play.wait(2 * MINUTE)
    play.attempt(OK, 200)
    Webhook.update(created_at=play.now).execute()
    known = {"healthy": [play.webhook.url], "set_back": 2 * MINUTE}
    assert check(play.evidence(**known)) == []
    assert set(play.broken(**known | {"set_back": SECOND})) == {Rule.LATE}


# Each way to break one


def test_an_event_that_vanished_is_seen(play: Play) -> None:
    play.delivers()
    assert play.broken(published=["t-0", "t-1"]) == {
        Rule.LOST: ["the event t-1 was committed and is gone"]
    }


def test_an_event_without_its_delivery_is_seen(play: Play) -> None:
    play.publish()
    Event.update(fanned_out_at=play.now).execute()
    assert play.broken() == {Rule.LOST: [f"event 1 has no delivery to webhook {play.webhook.id}"]}


def test_a_second_delivery_of_an_event_is_seen(play: Play) -> None:
    play.publish()
    play.fan_out()
    proxy.execute_sql("DROP INDEX delivery_event_id_webhook_id")
    [row] = Delivery.select().dicts()
    Delivery.insert({**row, "id": row["id"] + 1, "uuid": uuid4()}).execute()
    assert play.broken() == {Rule.LOST: [f"event 1 has 2 deliveries to webhook {play.webhook.id}"]}


def test_a_delivery_that_nothing_will_attempt_is_seen(play: Play) -> None:
    play.publish()
    play.fan_out()
    Delivery.update(due_at=None).execute()
    [sentence] = play.broken()[Rule.LOST]
    assert sentence.endswith("is pending and nothing will attempt it")


@pytest.mark.parametrize("ready_at", [None, NOON + 2 * MINUTE], ids=["never", "late"])
def test_one_that_is_due_before_its_webhook_is_looked_at_is_seen(
    play: Play, ready_at: datetime | None
) -> None:
    play.publish()
    play.fan_out()
    Webhook.update(ready_at=ready_at).execute()
    [sentence] = play.broken()[Rule.LOST]
    assert sentence.endswith(f"is looked at {ready_at or 'never'}")


def test_one_that_is_delivered_and_still_due_is_seen(play: Play) -> None:
    play.delivers()
    Delivery.update(due_at=play.now).execute()
    [sentence] = play.broken()[Rule.LOST]
    assert sentence.endswith("is delivered and still due or leased")


def test_one_that_was_accepted_and_still_waits_is_seen(play: Play) -> None:
    play.delivers()
    Delivery.update(status=Status.FAILED, due_at=play.now).execute()
    [sentence] = play.broken()[Rule.LOST]
    assert sentence.endswith("was accepted and still waits")


def test_one_that_was_given_up_too_early_is_seen(play: Play) -> None:
    play.publish()
    play.fan_out()
    play.attempt(BROKEN, 500)
    Delivery.update(status=Status.ABANDONED, due_at=None).execute()
    [sentence] = play.broken()[Rule.LOST]
    assert sentence.endswith("was abandoned with attempts left")


def test_one_that_is_delivered_without_an_answer_is_seen(play: Play) -> None:
    play.publish()
    play.fan_out()
    play.attempt(BROKEN, 500)
    Delivery.update(status=Status.DELIVERED, due_at=None).execute()
    [sentence] = play.broken()[Rule.LOST]
    assert sentence.endswith("is delivered, which no attempt says")


def test_a_repeat_without_a_crash_is_seen(play: Play) -> None:
    play.delivers()
    play.posts.append(play.posts[0])
    broken = play.broken()
    [sentence] = broken.pop(Rule.REPEATED)
    assert "was accepted 2 times; the log has 1 of them" in sentence
    [sentence] = broken.pop(Rule.LOGGED)
    assert sentence.endswith("was answered 2 times and at most 1 requests are on record")
    assert broken == {}


def test_a_second_sending_that_nobody_asked_for_is_seen_though_it_is_logged(play: Play) -> None:
    play.delivers()
    Delivery.update(status=Status.PENDING, due_at=play.now, attempts=0).execute()
    play.attempt(OK, 200)
    broken = play.broken()
    assert broken.keys() == {Rule.REPEATED, Rule.COUNTED}
    assert broken[Rule.REPEATED][0].endswith("after it was accepted, for no reason")
    assert broken[Rule.COUNTED][0].endswith("began its schedule again, for no reason")


def test_a_failure_that_was_sent_and_not_logged_is_seen(play: Play) -> None:
    play.delivers()
    play.posts.append(replace(play.posts[0], status=500))
    assert play.broken().keys() == {Rule.LOGGED}


def test_an_answer_in_the_log_that_nobody_gave_is_seen(play: Play) -> None:
    play.delivers()
    play.posts.clear()
    [sentence] = play.broken()[Rule.LOGGED]
    assert "the log has 1 × 200 that nobody answered" in sentence


def test_a_repeat_with_other_bytes_is_seen(play: Play) -> None:
    play.publish()
    play.fan_out()
    play.attempt(None, 200)
    play.wait(LEASE)
    play.attempt(OK, 200)
    first = play.posts[0]
    body = first.body + b" "
    headers = {**first.headers, "X-AuraPOS-Signature": play.secret.sign(body)}
    play.posts[0] = replace(first, body=body, headers=headers)
    assert play.broken().keys() == {Rule.CHANGED}


def test_a_wrong_event_header_is_seen(play: Play) -> None:
    play.delivers()
    headers = {**play.posts[0].headers, "X-AuraPOS-Event": "ping"}
    play.posts[0] = replace(play.posts[0], headers=headers)
    [sentence] = play.broken()[Rule.CHANGED]
    assert sentence.endswith("was sent as another event than ticket.created")


def test_a_post_without_an_id_is_seen(play: Play) -> None:
    play.delivers()
    play.posts.append(replace(play.posts[0], headers={}))
    [sentence] = play.broken()[Rule.CHANGED]
    assert sentence.endswith("got a POST whose X-AuraPOS-Delivery is no id")


def test_a_post_after_a_deletion_is_seen(play: Play) -> None:
    play.delivers()
    services.delete_webhook(MARIE, play.webhook.id, play.now - MINUTE)
    [sentence] = play.broken()[Rule.DELETED]
    assert sentence.endswith("was sent after its webhook was deleted")
    assert play.broken(deletions={play.webhook.id: play.now}) == {}


def test_a_pause_with_a_test_in_it_is_in_order(play: Play) -> None:
    play.delivers()
    services.pause_webhook(MARIE, play.webhook.id, play.now)
    play.wait(MINUTE)
    play.publish()
    services.send_test(MARIE, play.webhook.id, play.now, wake=silent)
    play.fan_out()
    play.attempt(OK, 200)
    assert len(play.posts) == 2
    assert check(play.evidence()) == []
    services.resume_webhook(MARIE, play.webhook.id, play.now, wake=silent)
    play.attempt(OK, 200)
    assert len(play.posts) == 3
    assert check(play.evidence()) == []


def test_an_attempt_in_a_pause_is_seen(play: Play) -> None:
    play.publish()
    play.fan_out()
    services.pause_webhook(MARIE, play.webhook.id, play.now)
    Webhook.update(paused_at=None, ready_at=play.now).execute()
    play.wait(2 * SECOND)
    play.attempt(OK, 200)
    [sentence] = play.broken()[Rule.PAUSED]
    assert sentence.endswith("was attempted while its webhook was paused")


def test_a_pace_that_is_not_held_is_seen(play: Play) -> None:
    chosen = Chosen(pace="1/s")
    before = play.now - MINUTE
    services.edit_webhook(MARIE, play.webhook.id, before, policy=DEVELOPMENT, chosen=chosen)
    play.publish()
    play.publish()
    play.fan_out()
    [first] = play.claim(room=1)
    play.settle([first], OK, 200)
    play.wait(2 * SECOND)
    play.attempt(OK, 200)
    assert check(play.evidence()) == []
    Attempt.update(started_at=play.now - SECOND / 2).where(Attempt.id == 1).execute()
    [sentence] = play.broken()[Rule.PACED]
    assert "was sent to twice within 0.500 s" in sentence


def test_a_test_that_is_forgotten_in_a_pause_is_seen(play: Play) -> None:
    services.pause_webhook(MARIE, play.webhook.id, play.now)
    services.send_test(MARIE, play.webhook.id, play.now, wake=silent)
    play.fan_out()
    assert check(play.evidence()) == []
    Webhook.update(ready_at=None).execute()
    [sentence] = play.broken()[Rule.LOST]
    assert sentence.endswith("is looked at never")


def test_what_was_given_up_while_parked_is_seen_where_it_was_too_early(play: Play) -> None:
    play.publish()
    play.fan_out()
    services.pause_webhook(MARIE, play.webhook.id, play.now)
    prune(play.now + 30 * DAY - DAY, play.now + 30 * DAY)
    assert play.broken(keep=29 * DAY) == {}
    [sentence] = play.broken(keep=31 * DAY)[Rule.LOST]
    assert sentence.endswith("was abandoned with attempts left")


def test_a_post_after_a_deletion_is_seen_when_the_rows_are_gone_too(play: Play) -> None:
    play.delivers()
    services.delete_webhook(MARIE, play.webhook.id, play.now - MINUTE)
    for table in (Attempt, Delivery, SelectedEvent, Webhook):
        table.delete().execute()
    assert play.broken() == {
        Rule.DELETED: [f"{play.webhook.url} got a POST after its webhook was deleted"]
    }


def test_more_attempts_than_allowed_are_seen(play: Play) -> None:
    play.publish()
    play.fan_out()
    for _ in range(5):
        play.attempt(BROKEN, 500)
        play.wait(3 * 60 * MINUTE)
    Delivery.update(status=Status.FAILED, due_at=play.now).execute()
    play.attempt(BROKEN, 500)
    [sentence] = play.broken()[Rule.COUNTED]
    assert sentence.endswith("was attempted 6 times")


def test_an_interrupted_attempt_that_was_counted_is_seen(play: Play) -> None:
    play.publish()
    play.fan_out()
    play.attempt(None, None)
    play.wait(LEASE)
    Delivery.update(attempts=1).execute()
    play.attempt(OK, 200)
    assert [
        sentence.partition(" ")[2].partition(" ")[2] for sentence in play.broken()[Rule.COUNTED]
    ][-1:] == ["counts 2 attempts and its log 1"]


def test_attempts_numbered_wrongly_are_seen(play: Play) -> None:
    play.publish()
    play.fan_out()
    play.attempt(BROKEN, 500)
    play.wait(2 * MINUTE)
    play.attempt(OK, 200)
    Attempt.update(number=4).where(Attempt.number == 2).execute()
    [sentence] = play.broken()[Rule.COUNTED]
    assert sentence.endswith("has attempt 4 after 1 that count")


def test_interruptions_that_were_not_counted_are_seen(play: Play) -> None:
    play.publish()
    play.fan_out()
    play.attempt(None, None)
    play.wait(LEASE)
    play.attempt(OK, 200)
    Delivery.update(interruptions=0).execute()
    [sentence] = play.broken()[Rule.COUNTED]
    assert sentence.endswith("counts 0 interruptions and its log 1")


def test_a_secret_in_a_log_in_a_table_or_on_the_wire_is_seen(play: Play) -> None:
    play.delivers()
    secret = play.secret.reveal().removeprefix("whsec_")
    found = play.broken(places={"the log": f"error {secret}".encode(), "the queue": b"\x00"})
    assert found == {Rule.LEAKED: ["a secret is in the log"]}
    Attempt.update(detail=secret).execute()
    assert play.broken() == {Rule.LEAKED: ["a secret is in the table attempt"]}
    Attempt.update(detail="").execute()
    play.posts[0].headers["X-Debug"] = secret
    assert play.broken() == {Rule.LEAKED: ["a secret is in what was sent"]}


def test_a_delivery_to_another_business_is_seen(play: Play) -> None:
    play.delivers()
    other = add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    Event.update(business=other).execute()
    assert play.broken() == {
        Rule.MISDIRECTED: [
            f"event 1 went to webhook {play.webhook.id}, which is another business's"
        ]
    }


def test_a_ping_to_a_webhook_that_did_not_ask_for_it_is_seen(play: Play, vault: Vault) -> None:
    other = add_webhook(vault, play.business, "https://example.com/other")
    services.send_test(MARIE, other.id, play.now, wake=silent)
    play.fan_out()
    Delivery.update(webhook=play.webhook.id).execute()
    Webhook.update(ready_at=play.now).execute()
    broken = play.broken()
    assert broken[Rule.MISDIRECTED] == [
        f"event 1 went to webhook {play.webhook.id}, which did not ask for this ping"
    ]
    assert broken[Rule.LOST] == [f"event 1 has no delivery to webhook {other.id}"]


def test_an_event_that_was_not_selected_is_seen(play: Play) -> None:
    play.delivers()
    SelectedEvent.delete().execute()
    assert play.broken() == {
        Rule.MISDIRECTED: [f"event 1 went to webhook {play.webhook.id}, which did not select it"]
    }


def test_an_event_older_than_the_webhook_is_seen(play: Play) -> None:
    play.delivers()
    younger = [f"event 1 went to webhook {play.webhook.id}, which is younger"]
    assert play.broken(older={play.webhook.id: ["t-0"]}) == {Rule.MISDIRECTED: younger}
    assert play.broken(older={play.webhook.id: ["t-1"]}) == {}


def test_no_delivery_of_an_event_that_is_older_than_the_webhook_is_in_order(play: Play) -> None:
    """Its clock may be ahead of the one that the webhook was made by."""
    play.publish()
    Event.update(fanned_out_at=play.now).execute()
    assert play.broken(older={play.webhook.id: ["t-0"]}) == {}


def test_a_body_at_another_webhook_s_url_is_seen(play: Play) -> None:
    play.delivers()
    play.posts[0] = replace(play.posts[0], url="https://example.com/another")
    [sentence] = play.broken()[Rule.MISDIRECTED]
    assert sentence.endswith("was sent to https://example.com/another")


def test_a_post_of_a_delivery_that_never_was_is_seen(play: Play) -> None:
    play.delivers()
    play.posts.append(replace(play.posts[0], headers={"X-AuraPOS-Delivery": str(uuid4())}))
    [sentence] = play.broken()[Rule.MISDIRECTED]
    assert sentence.endswith("which is not in the tables")


def test_a_signature_that_does_not_verify_is_seen(play: Play) -> None:
    play.delivers()
    play.posts[0].headers["X-AuraPOS-Signature"] = "sha256=" + 64 * "0"
    [sentence] = play.broken()[Rule.SIGNED]
    assert sentence.endswith("was signed with no secret of its webhook's")


@pytest.mark.parametrize("first", [True, False])
def test_a_healthy_address_that_was_kept_waiting_is_seen(play: Play, first: bool) -> None:
    play.publish()
    play.fan_out()
    if first:
        play.wait(2 * MINUTE)
    play.attempt(BROKEN, 500)
    play.wait(MINUTE if first else 3 * MINUTE)
    play.wait(SECOND)
    play.attempt(OK, 200)
    assert play.broken() == {}
    [sentence] = play.broken(healthy=[play.webhook.url])[Rule.LATE]
    assert sentence.endswith("was sent 120.0 s after it was due")


def chat_play(vault: Vault, business: int) -> Play:
    play = Play(vault, business)
    chosen: Chosen = {"format": Format.CHAT}
    services.edit_webhook(MARIE, play.webhook.id, NOON, policy=DEVELOPMENT, chosen=chosen)
    return play


def test_a_chat_line_is_in_order_and_so_is_one_made_anew(business: int, vault: Vault) -> None:
    play = chat_play(vault, business)
    play.delivers()
    assert play.posts[0].body.startswith(b'{"text":')
    chosen: Chosen = {"language": Language.FRENCH}
    services.edit_webhook(MARIE, play.webhook.id, play.now, policy=DEVELOPMENT, chosen=chosen)
    services.redeliver(MARIE, str(Delivery.get().uuid), play.now, wake=silent)
    play.attempt(OK, 200)
    assert check(play.evidence()) == []


def test_a_chat_line_that_changes_by_itself_is_seen(business: int, vault: Vault) -> None:
    play = chat_play(vault, business)
    play.publish()
    play.fan_out()
    play.attempt(BROKEN, 500)
    Delivery.update(body=b'{"text":"Other"}').execute()
    play.wait(MINUTE)
    play.attempt(OK, 200)
    [sentence] = play.broken()[Rule.CHANGED]
    assert "other bytes than its event's" in sentence


def test_what_conditions_keep_back_is_in_order_and_what_they_let_through_is_missed(
    business: int, vault: Vault
) -> None:
    play = Play(vault, business)
    chosen: Chosen = {"only": ["total_tvac missing"]}
    choosy = add_webhook(vault, business, "https://example.com/choosy", chosen=chosen)
    other: Chosen = {"only": ["total_tvac exists"]}
    add_webhook(vault, business, "https://example.com/never", chosen=other)
    play.delivers()
    assert check(play.evidence()) == []
    Delivery.delete().where(Delivery.webhook == choosy.id).execute()
    [sentence] = play.broken()[Rule.LOST]
    assert f"has no delivery to webhook {choosy.id}" in sentence


def test_what_conditions_keep_back_and_was_made_all_the_same_is_seen(
    business: int, vault: Vault
) -> None:
    play = Play(vault, business)
    choosy = add_webhook(vault, business, "https://example.com/choosy")
    play.delivers()
    Webhook.update(only='["total_tvac exists"]').where(Webhook.id == choosy.id).execute()
    [sentence] = play.broken()[Rule.MISDIRECTED]
    assert "whose conditions keep it back" in sentence


# What is told of one webhook at another


def tell(about: NewWebhook, hearer: int, now: datetime, name: str = "") -> None:
    edge = Edge(Kind.FAILING, now, now, MINUTE)
    payload = alert_payload(edge, About(about.id, about.url, name), wording(Language.ENGLISH))
    queue_for(Webhook.get_by_id(hearer), EventType.ALERT, payload, now, purpose=Purpose.ALERT)


def test_an_alert_an_hour_is_in_order(play: Play, vault: Vault) -> None:
    other = add_webhook(vault, play.business)
    for hours in range(2):
        tell(play.webhook, other.id, play.now + hours * timedelta(hours=1))
    assert check(play.evidence()) == []


def test_two_alerts_within_an_hour_are_seen(play: Play, vault: Vault) -> None:
    other = add_webhook(vault, play.business)
    for minutes in (0, 59):
        tell(play.webhook, other.id, play.now + minutes * MINUTE)
    [sentence] = play.broken()[Rule.TOLD]
    assert sentence == f"webhook {other.id} was told twice in an hour that webhook 1 is failing"


def test_an_alert_about_the_webhook_that_it_goes_to_is_seen(play: Play) -> None:
    tell(play.webhook, play.webhook.id, play.now)
    assert play.broken() == {Rule.TOLD: ["webhook 1 was told of itself"]}


def test_an_alert_about_another_business_s_webhook_is_seen(play: Play, vault: Vault) -> None:
    other = add_webhook(vault, add_business(OPERATOR, "B", "group", "marie", NOON))
    tell(other, play.webhook.id, play.now)
    [sentence] = play.broken()[Rule.TOLD]
    assert sentence == f"webhook 1 was told of webhook {other.id}, another business's"


def test_an_alert_that_tells_a_path_is_seen(play: Play, vault: Vault) -> None:
    other = add_webhook(vault, play.business)
    tell(play.webhook, other.id, play.now, name="https://example.com/hook")
    [sentence] = play.broken()[Rule.TOLD]
    assert sentence == f"webhook {other.id} was told the path of webhook 1"
