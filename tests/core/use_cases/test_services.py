"""What an owner can do, on both engines; each is refused to everybody else."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from core.domain.actors import Actor
from core.domain.catalogue import CATALOGUE
from core.domain.choices import AS_IT_COMES, Choices, Chosen, Format
from core.domain.delivery import Answered, Schedule, Status
from core.domain.events import EventType, Purpose
from core.domain.language import Language
from core.domain.own_headers import parse_headers
from core.domain.signing import Secret
from core.domain.url_policy import UrlPolicy
from core.errors import (
    BadInput,
    BlockedUrl,
    Changed,
    NotAllowed,
    NotFound,
    NotIncluded,
    WebhooksError,
)
from core.pipeline import leases, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.settling import Settlement, settle
from core.storage.choosing import open_headers
from core.storage.database import transaction
from core.storage.models import TABLES, AuditEntry, Delivery, Webhook
from core.storage.vault import Vault
from core.use_cases import queries, services
from core.use_cases.businesses import add_business, add_member, set_business
from core.use_cases.checking import begin_check
from core.use_cases.services import NewWebhook
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
    make_due,
    only_delivery,
    publish_ticket,
    silent,
)

CREATED = EventType.TICKET_CREATED


def stored(webhook_id: int) -> Webhook:
    with transaction():
        return Webhook.get_by_id(webhook_id)


def audit() -> list[tuple[str, str, int | None]]:
    with transaction():
        rows = AuditEntry.select().order_by(AuditEntry.id)
        return [(row.actor, row.action, row.webhook_id) for row in rows if row.webhook_id]


def test_a_new_webhook_is_as_it_was_asked_for(business: int, vault: Vault) -> None:
    new = services.create_webhook(
        MARIE,
        business,
        "HTTPS://Example.com/hook",
        ["client.updated", "ticket.created", "client.updated"],
        NOON,
        policy=UrlPolicy(),
        vault=vault,
    )
    [row] = queries.webhooks(MARIE, business)
    assert (row.id, row.url) == (new.id, "https://example.com/hook")
    assert row.events == new.events == (CREATED, EventType.CLIENT_UPDATED)
    assert vault.open(bytes(stored(new.id).secret), business, new.id) == new.secret


def test_every_webhook_has_a_secret_of_its_own(business: int, vault: Vault) -> None:
    assert add_webhook(vault, business).secret != add_webhook(vault, business).secret


@pytest.mark.parametrize(
    ("url", "events", "error"),
    [
        ("https://10.0.0.1/", ["ticket.created"], BlockedUrl),
        ("https://example.com/", [], BadInput),
        ("https://example.com/", ["ping"], BadInput),
    ],
)
def test_a_webhook_that_cannot_be_is_refused_and_not_stored(
    business: int, vault: Vault, url: str, events: list[str], error: type[WebhooksError]
) -> None:
    with pytest.raises(error):
        services.create_webhook(MARIE, business, url, events, NOON, policy=UrlPolicy(), vault=vault)
    assert queries.webhooks(MARIE, business) == []
    assert audit() == []


def test_an_edit_changes_what_is_given_and_leaves_the_rest(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business, events=(CREATED,))
    services.edit_webhook(
        MARIE, webhook.id, NOON, url="https://example.com/new", policy=DEVELOPMENT
    )
    row = queries.webhook(MARIE, webhook.id)
    assert (row.url, row.events) == ("https://example.com/new", (CREATED,))
    services.edit_webhook(MARIE, webhook.id, NOON, events=["client.created"], policy=DEVELOPMENT)
    row = queries.webhook(MARIE, webhook.id)
    assert (row.url, row.events) == ("https://example.com/new", (EventType.CLIENT_CREATED,))


def test_a_regenerated_secret_replaces_the_old_one(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    before = bytes(stored(webhook.id).secret)
    secret = services.regenerate_secret(MARIE, webhook.id, NOON, vault=vault)
    after = bytes(stored(webhook.id).secret)
    assert secret != webhook.secret
    assert before != after
    assert vault.open(after, business, webhook.id) == secret


def test_a_deleted_webhook_is_gone_with_its_secret_but_not_from_the_trail(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    services.delete_webhook(MARIE, webhook.id, NOON)
    assert queries.webhooks(MARIE, business) == []
    assert stored(webhook.id).secret is None
    assert [action for _, action, _ in audit()] == ["created", "deleted"]
    with pytest.raises(NotFound):
        services.delete_webhook(MARIE, webhook.id, NOON)


def test_every_action_is_in_the_audit_trail_once_and_never_with_a_secret(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    services.edit_webhook(MARIE, webhook.id, NOON, events=[CREATED], policy=DEVELOPMENT)
    services.regenerate_secret(MARIE, webhook.id, NOON, vault=vault)
    services.send_test(MARIE, webhook.id, NOON, wake=silent)
    fan_out(1, NOON)
    services.send_sample(MARIE, webhook.id, CREATED, NOON, wake=silent)
    delivery = only_delivery(webhook.id)
    services.redeliver(MARIE, str(delivery.uuid), NOON, wake=silent)
    services.recover(OPERATOR, business, NOON, NOON, webhook_id=webhook.id, wake=silent)
    services.delete_webhook(MARIE, webhook.id, NOON)
    assert audit() == [
        ("marie", "created", webhook.id),
        ("marie", "edited", webhook.id),
        ("marie", "secret regenerated", webhook.id),
        ("marie", "tested", webhook.id),
        ("marie", "sample sent", webhook.id),
        ("marie", "redelivered", webhook.id),
        ("operator", "recovered", webhook.id),
        ("marie", "deleted", webhook.id),
    ]
    with transaction():
        for row in AuditEntry.select().dicts():
            assert (row["at"], row["origin"]) == (NOON, "test")
            assert "whsec_" not in repr(row)


def test_no_secret_is_stored_as_it_is_shown(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    again = services.regenerate_secret(MARIE, webhook.id, NOON, vault=vault)
    with transaction():
        rows = [row for table in TABLES for row in table.select().tuples()]
    for secret in (webhook.secret, again):
        assert secret.reveal() not in repr(rows)
        assert secret.reveal().removeprefix("whsec_") not in repr(rows)


@pytest.mark.parametrize(
    ("change", "error"),
    [({"url": "https://10.0.0.1/"}, BlockedUrl), ({"events": []}, BadInput)],
)
def test_a_refused_edit_changes_nothing(
    business: int, vault: Vault, change: dict[str, Any], error: type[WebhooksError]
) -> None:
    webhook = add_webhook(vault, business)
    before = queries.webhook(MARIE, webhook.id)
    with pytest.raises(error):
        services.edit_webhook(MARIE, webhook.id, NOON, policy=UrlPolicy(), **change)
    assert queries.webhook(MARIE, webhook.id) == before
    assert [action for _, action, _ in audit()] == ["created"]


Act = Callable[[Actor, int, int, Vault], object]
ACTS: dict[str, Act] = {
    "create": lambda actor, business, _, vault: services.create_webhook(
        actor, business, "https://example.com/", [CREATED], NOON, policy=DEVELOPMENT, vault=vault
    ),
    "edit": lambda actor, _, webhook, __: services.edit_webhook(
        actor, webhook, NOON, events=[CREATED], policy=DEVELOPMENT
    ),
    "regenerate": lambda actor, _, webhook, vault: services.regenerate_secret(
        actor, webhook, NOON, vault=vault
    ),
    "test": lambda actor, _, webhook, __: services.send_test(actor, webhook, NOON, wake=silent),
    "sample": lambda actor, _, webhook, __: services.send_sample(
        actor, webhook, CREATED, NOON, wake=silent
    ),
    "check": lambda actor, _, webhook, __: begin_check(actor, webhook, NOON, wake=silent),
    "redeliver": lambda actor, _, webhook, __: services.redeliver(
        actor, delivery_of(webhook), NOON, wake=silent
    ),
    "recover": lambda actor, business, _, __: services.recover(
        actor, business, NOON, NOON, wake=silent
    ),
    "delete": lambda actor, _, webhook, __: services.delete_webhook(actor, webhook, NOON),
}


def delivery_of(webhook_id: int) -> str:
    with transaction():
        return str(Delivery.get(Delivery.webhook == webhook_id).uuid)


@pytest.fixture
def webhook(business: int, vault: Vault) -> int:
    webhook_id = add_webhook(vault, business).id
    publish_ticket(business)
    fan_out(1, NOON)
    return webhook_id


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("role", ["manager", "staff"])
def test_another_role_is_refused_clearly(
    business: int, webhook: int, vault: Vault, act: str, role: str
) -> None:
    add_member(OPERATOR, business, "paul", role, NOON)
    with pytest.raises(NotAllowed, match=f"Only an owner of Chez Marie .* paul is {role}"):
        ACTS[act](Actor("paul", "test"), business, webhook, vault)


@pytest.mark.parametrize("act", ACTS)
def test_a_stranger_learns_nothing(business: int, webhook: int, vault: Vault, act: str) -> None:
    with pytest.raises(NotFound):
        ACTS[act](Actor("eve", "test"), business, webhook, vault)


@pytest.mark.parametrize("act", ACTS)
def test_what_is_refused_is_not_in_the_trail(
    business: int, webhook: int, vault: Vault, act: str
) -> None:
    before = audit()
    with pytest.raises(NotFound):
        ACTS[act](Actor("eve", "test"), business, webhook, vault)
    assert audit() == before


@pytest.mark.parametrize("act", sorted(ACTS.keys() - {"delete"}))
def test_without_the_option_everything_but_deleting_is_refused(
    business: int, webhook: int, vault: Vault, act: str
) -> None:
    set_business(OPERATOR, business, NOON, edition="express")
    with pytest.raises(NotIncluded, match="€24 a month"):
        ACTS[act](MARIE, business, webhook, vault)
    assert len(queries.deliveries(MARIE, webhook)) == 1


def test_without_the_option_a_webhook_can_be_deleted(
    business: int, webhook: int, vault: Vault
) -> None:
    set_business(OPERATOR, business, NOON, edition="express")
    services.delete_webhook(MARIE, webhook, NOON)
    assert queries.webhooks(MARIE, business) == []


def test_a_demotion_takes_effect_at_the_next_action(
    business: int, webhook: int, vault: Vault
) -> None:
    services.send_test(MARIE, webhook, NOON, wake=silent)
    add_member(OPERATOR, business, "marie", "staff", NOON)
    with pytest.raises(NotAllowed):
        services.send_test(MARIE, webhook, NOON, wake=silent)


def test_a_test_and_a_redelivery_wake_the_consumer_after_their_commit(
    business: int, webhook: int
) -> None:
    rung: list[int] = []

    def ring() -> None:
        with transaction():
            rung.append(Delivery.select().count())

    services.send_test(MARIE, webhook, NOON, wake=ring)
    services.redeliver(MARIE, delivery_of(webhook), NOON + MINUTE, wake=ring)
    services.send_sample(MARIE, webhook, CREATED, NOON + MINUTE, wake=ring)
    assert len(rung) == 3


def test_a_sample_goes_to_its_webhook_alone_whatever_it_selected(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business, events=(EventType.PRODUIT_UPDATED,))
    other = add_webhook(vault, business)
    event_id = services.send_sample(MARIE, webhook.id, CREATED, NOON, wake=silent)
    fan_out(1, NOON)
    assert queries.deliveries(MARIE, other.id) == []
    row = queries.delivery_of_event(MARIE, webhook.id, event_id)
    assert row == only_delivery(webhook.id)
    assert row is not None
    assert (row.event, row.purpose, row.what) == (CREATED, Purpose.SAMPLE, f"{CREATED} (sample)")
    [claim] = leases.claim({webhook.id: 1}, SCHEDULE, NOON)
    assert claim.payload == CATALOGUE[CREATED].sample
    assert claim.is_intact


@pytest.mark.parametrize("event", ["ping", "ticket.eaten", ""])
def test_there_is_no_sample_of_what_nobody_can_select(webhook: int, event: str) -> None:
    with pytest.raises(BadInput, match=r"choose from ticket\.created"):
        services.send_sample(MARIE, webhook, event, NOON, wake=silent)


def test_one_that_failed_and_waits_is_attempted_beside_its_schedule(
    business: int, webhook: int
) -> None:
    """However often: three times before its third attempt it has its three attempts left."""
    due = NOON + 30 * MINUTE
    with transaction():
        Delivery.update(attempts=2, status="failed", due_at=due).execute()
    for minute in range(3):
        now = NOON + minute * MINUTE
        for _ in range(2):  # the second press of the key finds it due already
            services.redeliver(MARIE, delivery_of(webhook), now, wake=silent)
        row = only_delivery(webhook)
        assert (row.status, row.attempts) == ("failed", 2)
        assert (row.next_attempt_at, row.resume_at) == (now, due)
        [claimed] = leases.claim({webhook: 1}, SCHEDULE, now)
        settling.settle(
            [Settlement(claimed, Answered(500, ""), now, SECOND)], SCHEDULE, now + SECOND
        )
        row = only_delivery(webhook)
        assert (row.status, row.attempts) == ("failed", 2)
        assert (row.next_attempt_at, row.resume_at) == (due, None)
    [claimed] = leases.claim({webhook: 1}, SCHEDULE, due)
    settling.settle([Settlement(claimed, Answered(500, ""), due, SECOND)], SCHEDULE, due + SECOND)
    row = only_delivery(webhook)
    assert (row.status, row.attempts) == ("failed", 3)
    assert [each.number for each in queries.delivery(MARIE, str(row.uuid)).attempts] == [0, 0, 0, 3]


def test_beside_its_schedule_it_may_be_delivered(business: int, webhook: int) -> None:
    with transaction():
        Delivery.update(attempts=2, status="failed", due_at=NOON + 30 * MINUTE).execute()
    services.redeliver(MARIE, delivery_of(webhook), NOON, wake=silent)
    [claimed] = leases.claim({webhook: 1}, SCHEDULE, NOON)
    settling.settle([Settlement(claimed, Answered(200, ""), NOON, SECOND)], SCHEDULE, NOON + SECOND)
    row = only_delivery(webhook)
    assert (row.status, row.next_attempt_at, row.resume_at) == ("delivered", None, None)


def test_a_crash_beside_the_schedule_repeats_that_attempt(business: int, webhook: int) -> None:
    due = NOON + 30 * MINUTE
    with transaction():
        Delivery.update(attempts=2, status="failed", due_at=due).execute()
    services.redeliver(MARIE, delivery_of(webhook), NOON, wake=silent)
    leases.claim({webhook: 1}, SCHEDULE, NOON)
    later = NOON + MINUTE
    [claimed] = leases.claim({webhook: 1}, SCHEDULE, later)
    settling.settle(
        [Settlement(claimed, Answered(500, ""), later, SECOND)], SCHEDULE, later + SECOND
    )
    row = only_delivery(webhook)
    assert (row.attempts, row.next_attempt_at, row.resume_at) == (2, due, None)


def test_one_that_was_never_attempted_is_only_brought_forward(business: int, webhook: int) -> None:
    with transaction():
        Delivery.update(due_at=NOON + MINUTE).execute()
    services.redeliver(MARIE, delivery_of(webhook), NOON, wake=silent)
    row = only_delivery(webhook)
    assert (row.status, row.next_attempt_at, row.resume_at) == ("pending", NOON, None)


def test_an_overdue_delivery_keeps_its_place(business: int, webhook: int) -> None:
    services.redeliver(MARIE, delivery_of(webhook), NOON + DAY, wake=silent)
    row = only_delivery(webhook)
    assert row.next_attempt_at == NOON


def test_a_delivery_in_flight_is_left_to_its_attempt(business: int, webhook: int) -> None:
    [claimed] = leases.claim({webhook: 1}, SCHEDULE, NOON)
    services.redeliver(MARIE, claimed.uuid, NOON, wake=silent)
    assert leases.claim({webhook: 1}, SCHEDULE, NOON) == []


def ended(webhook: int, now: datetime, status: int) -> None:
    [claimed] = leases.claim({webhook: 1}, SCHEDULE, now)
    settling.settle([Settlement(claimed, Answered(status, ""), now, SECOND)], SCHEDULE, now)


def test_how_a_redelivery_went_is_told_from_the_attempts_before(
    business: int, webhook: int
) -> None:
    ended(webhook, NOON, 500)
    again = services.redeliver(MARIE, delivery_of(webhook), NOON, wake=silent)
    assert queries.attempted_again(MARIE, business, [again]) == ([], [again])
    ended(webhook, NOON, 200)
    [row], waiting = queries.attempted_again(MARIE, business, [again])
    assert (row, waiting) == (only_delivery(webhook), [])
    assert row.status is Status.DELIVERED


def test_how_it_went_is_told_to_its_owners_only_and_of_what_still_is(
    business: int, webhook: int
) -> None:
    again = services.redeliver(MARIE, delivery_of(webhook), NOON, wake=silent)
    other = add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    assert queries.attempted_again(Actor("paul", "test"), other, [again]) == ([], [])
    with pytest.raises(NotFound):
        queries.attempted_again(Actor("paul", "test"), business, [again])
    services.delete_webhook(MARIE, webhook, NOON)
    assert queries.attempted_again(MARIE, business, [again]) == ([], [])


def test_what_was_abandoned_since_is_recovered_however_long_it_had_been_tried(
    business: int, webhook: int
) -> None:
    [claimed] = leases.claim({webhook: 1}, SCHEDULE, NOON)
    failed = Settlement(claimed, Answered(500, ""), NOON + 2 * MINUTE, MINUTE)
    settling.settle([failed], Schedule((MINUTE,), 1), NOON + 3 * MINUTE)
    assert queries.deliveries(MARIE, webhook)[0].status is Status.ABANDONED
    assert services.recover(MARIE, business, NOON + MINUTE, NOON + DAY, wake=silent) == 1


def test_a_recovery_can_be_of_one_webhook_and_never_of_anothers(
    business: int, webhook: int, vault: Vault
) -> None:
    other = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(1, NOON)
    with transaction():
        Delivery.update(status=Status.ABANDONED, due_at=None, settled_at=NOON).execute()
    assert services.recover(MARIE, business, NOON, NOON, webhook_id=other.id, wake=silent) == 1
    paul = add_business(OPERATOR, "Chez Paul", "group", "marie", NOON)
    assert services.recover(MARIE, paul, NOON, NOON, webhook_id=webhook, wake=silent) == 0


def test_of_two_who_edit_one_webhook_the_second_is_told(business: int, webhook: int) -> None:
    seen = queries.webhook(MARIE, webhook).updated_at

    def edit(path: str, minute: int, seen: datetime | None) -> None:
        url, now = f"https://example.com/{path}", NOON + minute * MINUTE
        services.edit_webhook(MARIE, webhook, now, url=url, policy=UrlPolicy(), seen=seen)

    edit("first", 1, seen)
    with pytest.raises(Changed):
        edit("second", 2, seen)
    assert stored(webhook).url == "https://example.com/first"
    edit("second", 3, None)
    assert stored(webhook).url == "https://example.com/second"


def trail() -> list[tuple[str, str]]:
    return [(row.action, row.detail) for row in reversed(queries.trail(MARIE, 1)) if row.detail]


def choose(webhook_id: int, chosen: Chosen) -> None:
    services.edit_webhook(MARIE, webhook_id, NOON, policy=DEVELOPMENT, chosen=chosen)


def test_what_a_webhook_chooses_is_kept_and_in_the_trail(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business, chosen={"name": "Bookkeeper"})
    choose(webhook.id, {"format": Format.CHAT, "language": Language.FRENCH})
    row = queries.webhook(MARIE, webhook.id)
    assert row.choices == Choices("Bookkeeper", Format.CHAT, Language.FRENCH)
    choose(webhook.id, {"name": "", "format": Format.CHAT})
    assert queries.webhook(MARIE, webhook.id).choices.name == ""
    assert trail() == [
        ("created", "name Bookkeeper"),
        ("edited", "format chat, language fr"),
        ("edited", "no name"),
    ]


def test_a_webhook_that_chooses_nothing_has_nothing_chosen(business: int, vault: Vault) -> None:
    assert queries.webhook(MARIE, add_webhook(vault, business).id).choices == AS_IT_COMES
    assert trail() == []


def test_a_name_that_cannot_be_changes_nothing(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    with pytest.raises(BadInput, match="40 characters"):
        choose(webhook.id, {"name": "x" * 41, "format": Format.CHAT})
    assert queries.webhook(MARIE, webhook.id).choices == AS_IT_COMES


def bodies(webhook_id: int) -> list[bytes]:
    rows = queries.deliveries(MARIE, webhook_id)
    return [queries.delivery(MARIE, str(row.uuid)).body for row in rows]


ENGLISH = '{"text":"Ticket 12 · 55.10 €"}'.encode()
FRENCH = '{"text":"Ticket 12 · 55,10 €"}'.encode()
PAYLOAD = b'{"numero": 12, "total_tvac": 55.10}'


def settle_all(webhook_id: int, answer: Answered) -> None:
    """Attempt what is due of it until nothing waits."""
    for _ in range(SCHEDULE.max_attempts):
        claims = leases.claim({webhook_id: 16}, SCHEDULE, NOON)
        settle([Settlement(claim, answer, NOON, SECOND) for claim in claims], SCHEDULE, NOON)
        make_due(NOON)


def chat_line(vault: Vault, business: int) -> NewWebhook:
    """A webhook for chat lines, one of which is due."""
    webhook = add_webhook(vault, business, chosen={"format": Format.CHAT, "pace": None})
    publish_ticket(business, payload=PAYLOAD)
    fan_out(100, NOON)
    assert bodies(webhook.id) == [ENGLISH]
    return webhook


def test_a_chat_line_that_waits_stays_as_it_was(business: int, vault: Vault) -> None:
    """Also where its owner has it attempted now."""
    webhook = chat_line(vault, business)
    choose(webhook.id, {"language": Language.FRENCH})
    services.redeliver(MARIE, str(only_delivery(webhook.id).uuid), NOON, wake=silent)
    assert bodies(webhook.id) == [ENGLISH]
    [claim] = leases.claim({webhook.id: 1}, SCHEDULE, NOON)
    assert claim.rendered == ENGLISH


def test_a_settled_one_is_said_anew_when_a_person_redelivers_it(
    business: int, vault: Vault
) -> None:
    webhook = chat_line(vault, business)
    settle_all(webhook.id, Answered(200, ""))
    choose(webhook.id, {"language": Language.FRENCH})
    assert bodies(webhook.id) == [ENGLISH]
    services.redeliver(MARIE, str(only_delivery(webhook.id).uuid), NOON, wake=silent)
    assert bodies(webhook.id) == [FRENCH]


def test_a_recovery_by_a_person_is_in_the_format_of_today(business: int, vault: Vault) -> None:
    webhook = chat_line(vault, business)
    settle_all(webhook.id, Answered(400, "no_text"))
    choose(webhook.id, {"format": Format.JSON})
    assert services.recover(MARIE, business, NOON - DAY, NOON, wake=silent) == 1
    [body] = bodies(webhook.id)
    assert body.startswith(b'{"event":"ticket.created","delivery_id":"')
    settle_all(webhook.id, Answered(400, "no_text"))
    choose(webhook.id, {"format": Format.CHAT})
    assert services.recover(MARIE, business, NOON - DAY, NOON, wake=silent) == 1
    assert bodies(webhook.id) == [ENGLISH]


def test_standard_webhooks_need_a_secret_that_libraries_can_read(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    of_old = vault.seal(Secret("whsec_" + "a-b_" * 10 + "abc"), business, webhook.id)
    with transaction():
        Webhook.update(secret=of_old).execute()

    def choose_it() -> None:
        services.edit_webhook(
            *(MARIE, webhook.id, NOON),
            policy=DEVELOPMENT,
            chosen={"standard_webhooks": True},
            open_vault=lambda: vault,
        )

    with pytest.raises(BadInput, match="regenerate it first"):
        choose_it()
    assert not queries.webhook(MARIE, webhook.id).choices.standard_webhooks
    services.regenerate_secret(MARIE, webhook.id, NOON, vault=vault)
    choose_it()
    assert queries.webhook(MARIE, webhook.id).choices.standard_webhooks
    choose(webhook.id, {"standard_webhooks": False})
    assert trail() == [("edited", "standard webhooks on"), ("edited", "no standard webhooks")]


def own_headers(vault: Vault, webhook_id: int) -> dict[str, str]:
    row = stored(webhook_id)
    opened = open_headers(vault, row.headers, row.business_id, webhook_id)
    return {each.name: each.value.reveal() for each in opened if each.value is not None}


def give_headers(vault: Vault, webhook_id: int, *lines: str) -> None:
    services.edit_webhook(
        *(MARIE, webhook_id, NOON),
        policy=DEVELOPMENT,
        chosen={"headers": parse_headers(lines)},
        open_vault=lambda: vault,
    )


def test_own_headers_are_kept_sealed_and_told_by_their_names(business: int, vault: Vault) -> None:
    chosen: Chosen = {"headers": parse_headers(["X-Api-Key: first", "X-Tenant: marie"])}
    webhook = add_webhook(vault, business, chosen=chosen)
    assert own_headers(vault, webhook.id) == {"X-Api-Key": "first", "X-Tenant": "marie"}
    give_headers(vault, webhook.id, "X-Api-Key: second", "X-Tenant")
    assert own_headers(vault, webhook.id) == {"X-Api-Key": "second", "X-Tenant": "marie"}
    assert queries.webhook(MARIE, webhook.id).choices.headers == ("X-Api-Key", "X-Tenant")
    choose(webhook.id, {"name": "Till"})
    give_headers(vault, webhook.id, "X-Tenant")
    assert own_headers(vault, webhook.id) == {"X-Tenant": "marie"}
    give_headers(vault, webhook.id)
    assert stored(webhook.id).headers is None
    assert trail() == [
        ("created", "headers X-Api-Key and X-Tenant"),
        ("edited", "new value of X-Api-Key"),
        ("edited", "name Till"),
        ("edited", "headers X-Tenant"),
        ("edited", "no headers"),
    ]


def test_a_header_that_has_no_value_yet_needs_one(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    with pytest.raises(BadInput, match="X-Api-Key has no value yet"):
        give_headers(vault, webhook.id, "X-Api-Key")
    assert stored(webhook.id).headers is None


def test_own_headers_are_gone_with_their_webhook(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    give_headers(vault, webhook.id, "X-Api-Key: first")
    services.delete_webhook(MARIE, webhook.id, NOON)
    assert stored(webhook.id).headers is None


def test_conditions_are_kept_as_they_were_written(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business, chosen={"only": [" total_tvac>=100 ", "note exists"]})
    row = queries.webhook(MARIE, webhook.id)
    assert row.choices.only == ("total_tvac>=100", "note exists")
    with pytest.raises(BadInput, match="no condition"):
        choose(webhook.id, {"only": ["total_tvac"]})
    choose(webhook.id, {"only": []})
    assert queries.webhook(MARIE, webhook.id).choices == AS_IT_COMES
    assert trail() == [
        ("created", "only total_tvac>=100 and note exists"),
        ("edited", "no only"),
    ]
