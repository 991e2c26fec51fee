"""Fan-out: in bounded parts, business by business, each event to whom it is for and once."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag

import pytest
from peewee import SQL, OperationalError

from core.domain.choices import Chosen, Format
from core.domain.conditions import Facts, read_facts
from core.domain.editions import Edition, includes_webhooks
from core.domain.language import Language
from core.errors import BadInput
from core.pipeline import decisions, last_look, leases
from core.pipeline import fan_out as module
from core.pipeline.decisions import Decisions
from core.pipeline.fan_out import FannedOut, fan_out
from core.storage import outbox
from core.storage.database import connection, proxy, transaction
from core.storage.due import waiting_webhooks
from core.storage.kept_back import kept_back_since
from core.storage.models import Delivery, Event, Webhook
from core.storage.outbox import Receiver
from core.storage.vault import Vault
from core.use_cases.businesses import add_business, set_business
from core.use_cases.services import create_webhook, delete_webhook, edit_webhook, send_test
from tests.support.scene import (
    DEVELOPMENT,
    MARIE,
    NOON,
    OPERATOR,
    SCHEDULE,
    SECOND,
    add_webhook,
    publish_ticket,
    silent,
)
from tests.support.waiting import PATIENCE, wait_until

ONLY_POSTGRESQL = pytest.mark.parametrize("engine", ["postgres"], indirect=True)


@pytest.fixture
def three_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction makes three deliveries at the most."""
    monkeypatch.setattr(module, "ROWS", 3)


def made() -> list[tuple[int, int]]:
    """Each delivery's event and webhook."""
    rows = Delivery.select(Delivery.event, Delivery.webhook).order_by(Delivery.id)
    return list(rows.tuples())


def in_parts() -> list[FannedOut]:
    """Fan out until nothing is left; what each transaction did."""
    parts = [fan_out(500, NOON)]
    while not parts[-1].is_all:
        parts.append(fan_out(500, NOON, after=parts[-1].last_business))
        assert len(parts) < 50
    return parts


@pytest.mark.fault(41, "more than fits into one transaction, or one pass")
@pytest.mark.usefixtures("three_rows")
def test_no_transaction_makes_more_than_it_may(business: int, vault: Vault) -> None:
    webhooks = [add_webhook(vault, business).id for _ in range(2)]
    events = [publish_ticket(business) for _ in range(4)]
    parts = in_parts()
    assert [each.deliveries for each in parts] == [2, 2, 2, 2]
    assert made() == [(event, webhook) for event in events for webhook in webhooks]


@pytest.mark.usefixtures("three_rows")
def test_an_event_with_more_webhooks_than_fit_keeps_the_place(business: int, vault: Vault) -> None:
    webhooks = [add_webhook(vault, business).id for _ in range(8)]
    first, second = publish_ticket(business), publish_ticket(business)
    parts = in_parts()
    assert max(each.deliveries for each in parts) == 3
    assert sum(each.events for each in parts) == 2
    assert made() == [(event, webhook) for event in (first, second) for webhook in webhooks]


@pytest.mark.usefixtures("three_rows")
def test_a_webhook_that_comes_or_goes_between_two_parts(business: int, vault: Vault) -> None:
    webhooks = [add_webhook(vault, business).id for _ in range(5)]
    event = publish_ticket(business)
    assert fan_out(500, NOON) == FannedOut(0, 3)
    delete_webhook(MARIE, webhooks[3], NOON)
    add_webhook(vault, business)
    assert fan_out(500, NOON) == FannedOut(1, 1)
    assert made() == [(event, webhook) for webhook in (*webhooks[:3], webhooks[4])]


@pytest.mark.usefixtures("three_rows")
def test_a_part_that_was_lost_is_made_again_with_the_same_ids(business: int, vault: Vault) -> None:
    for _ in range(5):
        add_webhook(vault, business)
    publish_ticket(business)
    fan_out(500, NOON)
    with connection(), proxy.atomic() as lost:
        fan_out(500, NOON)
        ids = [row.uuid for row in Delivery.select().order_by(Delivery.webhook)]
        lost.rollback()
    fan_out(500, NOON + SECOND)
    assert [row.uuid for row in Delivery.select().order_by(Delivery.webhook)] == ids
    assert len(ids) == 5


@pytest.mark.fault(41, "more than fits into one transaction, or one pass")
@pytest.mark.usefixtures("three_rows")
def test_businesses_take_turns(business: int, vault: Vault) -> None:
    """However much one has published before: each part begins with the business after the last."""
    for _ in range(3):
        add_webhook(vault, business)
    for _ in range(20):
        publish_ticket(business)
    other = add_business(OPERATOR, "Chez Paul", "group", "marie", NOON)
    theirs = add_webhook(vault, other).id
    publish_ticket(other)
    first = fan_out(500, NOON)
    fan_out(500, NOON, after=first.last_business)
    assert theirs in [webhook for _, webhook in made()]


def test_of_more_businesses_than_take_a_turn_at_once_each_has_its_own(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BUSINESSES", 2)
    shops = [business]
    shops += [add_business(OPERATOR, str(n), "group", "marie", NOON) for n in range(4)]
    webhooks = [add_webhook(vault, shop).id for shop in shops]
    for shop in shops * 3:
        publish_ticket(shop)
    last = 0
    for _ in range(3):
        last = fan_out(2, NOON, after=last).last_business
    assert {webhook for _, webhook in made()} == set(webhooks)
    in_parts()
    assert len(made()) == 15


@pytest.mark.parametrize("parts", [1, 3])
def test_what_is_refused_of_an_event_sets_it_aside_alone(
    business: int, vault: Vault, caplog: pytest.LogCaptureFixture, parts: int
) -> None:
    webhook = add_webhook(vault, business).id
    events = [publish_ticket(business) for _ in range(4 * parts)]
    with transaction():
        Event.update(created_at=SQL(str(2**62))).where(Event.id == events[2]).execute()
    in_parts()
    assert sorted(made()) == [(event, webhook) for event in events if event != events[2]]
    aside = Event.select(Event.refused, Event.fanned_out_at).where(Event.id == events[2])
    assert aside.tuples().get() == ("OverflowError", NOON)
    assert "an event cannot be fanned out and is set aside" in caplog.text


def test_that_the_database_is_away_sets_nothing_aside(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_webhook(vault, business)
    publish_ticket(business)

    def away(*_: object) -> None:
        raise OperationalError

    monkeypatch.setattr(module, "insert_rows", away)
    with pytest.raises(OperationalError):
        fan_out(500, NOON)
    assert Event.get().fanned_out_at is None


def test_a_new_webhook_gets_nothing_of_what_waits_however_much_that_is(
    business: int, vault: Vault
) -> None:
    for _ in range(3):
        publish_ticket(business)
    new = add_webhook(vault, business).id
    assert made() == []
    younger = publish_ticket(business)
    in_parts()
    assert made() == [(younger, new)]


@ONLY_POSTGRESQL
def test_a_new_webhook_waits_for_what_is_being_published(
    business: int, vault: Vault, database: str
) -> None:
    """What is committed before it is older, what is committed after it is not, whatever its id."""
    there, commit = Flag(), Flag()

    def publish_slowly() -> int:
        with transaction():
            event_id = publish_ticket(business)
            there.set()
            assert commit.wait(PATIENCE)
        return event_id

    with ThreadPoolExecutor(2) as pool:
        older = pool.submit(publish_slowly)
        assert there.wait(PATIENCE)
        new = pool.submit(add_webhook, vault, business)
        wait_until(waits_for_a_lock)
        commit.set()
        assert older.result(PATIENCE) == new.result(PATIENCE).id
    younger = publish_ticket(business)
    in_parts()
    assert [event for event, _ in made()] == [younger]


@ONLY_POSTGRESQL
def test_what_is_published_once_a_transaction_has_begun_is_left_to_the_next(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export counts on it: what was fanned out is older than the transaction that did it."""
    webhook = add_webhook(vault, business).id
    first = publish_ticket(business)
    pending = outbox.pending_businesses

    def meanwhile(after: int, limit: int) -> list[int]:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(publish_ticket, business).result(PATIENCE)
        return pending(after, limit)

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "pending_businesses", meanwhile)
        fan_out(500, NOON)
    assert made() == [(first, webhook)]


def waits_for_a_lock() -> bool:
    with connection():
        waiting = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(proxy.execute_sql(waiting).fetchone()[0])


def test_a_business_has_no_more_webhooks_than_it_may(business: int, vault: Vault) -> None:
    def create() -> int:
        return create_webhook(
            MARIE,
            business,
            "https://example.com/",
            ["ticket.created"],
            NOON,
            policy=DEVELOPMENT,
            vault=vault,
            at_most=2,
        ).id

    first, _ = create(), create()
    with pytest.raises(BadInput, match="This business has 2 webhooks, and more are not allowed"):
        create()
    delete_webhook(MARIE, first, NOON)
    assert create()
    assert Webhook.select().where(Webhook.deleted_at.is_null()).count() == 2


CHAT: Chosen = {"format": Format.CHAT}


def stored_bodies() -> list[tuple[int, bytes | None]]:
    """Each delivery's webhook, and what was rendered for it."""
    rows = Delivery.select(Delivery.webhook, Delivery.body).order_by(Delivery.id).tuples()
    return [(webhook_id, body if body is None else bytes(body)) for webhook_id, body in rows]


def test_a_chat_line_is_made_and_kept_at_fan_out(business: int, vault: Vault) -> None:
    plain = add_webhook(vault, business).id
    english = add_webhook(vault, business, chosen=CHAT).id
    dutch = add_webhook(vault, business, chosen={**CHAT, "language": Language.DUTCH}).id
    publish_ticket(business, payload=b'{"numero": 12, "total_tvac": 55.10}')
    fan_out(500, NOON)
    assert stored_bodies() == [
        (plain, None),
        (english, '{"text":"Ticket 12 · 55.10 €"}'.encode()),
        (dutch, '{"text":"Ticket 12 · € 55,10"}'.encode()),
    ]


def test_chat_lines_are_made_while_nobody_waits(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside the transaction, each once however many webhooks want it."""
    made = list[bytes]()

    def build(event_type: str, payload: bytes, language: Language) -> bytes:
        assert not proxy.in_transaction()
        made.append(payload)
        return b"{}"

    monkeypatch.setattr(decisions, "build_chat_body", build)
    for _ in range(3):
        add_webhook(vault, business, chosen=CHAT)
    for number in range(120):
        publish_ticket(business, payload=b"%d" % number)
    assert fan_out(500, NOON) == FannedOut(120, 360)
    assert made == [b"%d" % number for number in range(120)]


def test_of_what_is_no_text_a_line_is_made_all_the_same(business: int, vault: Vault) -> None:
    """Whether it may be sent is found before it is."""
    add_webhook(vault, business, chosen=CHAT)
    for payload in (b"\xff", b"[", b'{"numero": "\\ud800"}'):
        event_id = publish_ticket(business)
        with transaction():
            Event.update(payload=payload).where(Event.id == event_id).execute()
    assert fan_out(500, NOON) == FannedOut(3, 3)
    for _, body in stored_bodies():
        assert body is not None
        assert json.loads(body)["text"].startswith("Ticket")


@pytest.mark.parametrize("option", [False, True])
@pytest.mark.parametrize("edition", Edition)
def test_whoever_is_entitled_is_sent_to_and_nobody_else(
    business: int, vault: Vault, edition: Edition, option: bool
) -> None:
    """Of each edition there is: the rule is written once, and every statement is made from it."""
    webhook = add_webhook(vault, business)
    event = publish_ticket(business)
    set_business(OPERATOR, business, NOON, edition=edition, option=option)
    entitled = includes_webhooks(edition, option=option)

    assert fan_out(10, NOON).events == entitled
    assert made() == [(event, webhook.id)] * entitled
    assert [each.webhook_id for each in waiting_webhooks(NOON)] == [webhook.id] * entitled
    claims = leases.claim({webhook.id: 1}, SCHEDULE, NOON)
    assert last_look.still_sendable(claims) == [True] * entitled


ONLY: Chosen = {"only": ["total_tvac >= 100", 'mode_paiement = "Bancontact"']}


def ticket(business: int, total: int, mode: str = "Bancontact") -> int:
    payload = b'{"total_tvac": %d, "mode_paiement": "%b"}' % (total, mode.encode())
    return publish_ticket(business, payload=payload)


def test_only_events_that_meet_all_conditions_become_deliveries(
    business: int, vault: Vault
) -> None:
    everything = add_webhook(vault, business).id
    choosy = add_webhook(vault, business, chosen=ONLY).id
    cheap, cash, right = ticket(business, 1), ticket(business, 100, "Cash"), ticket(business, 100)
    assert fan_out(500, NOON) == FannedOut(3, 4)
    assert made() == [*((event, everything) for event in (cheap, cash, right)), (right, choosy)]
    assert kept_back_since(choosy, NOON) == 2
    assert fan_out(500, NOON) == FannedOut(0, 0)


def test_what_is_meant_for_one_webhook_comes_whatever_it_chose(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business, chosen=ONLY).id
    send_test(MARIE, webhook, NOON, wake=silent)
    assert fan_out(500, NOON) == FannedOut(1, 1)
    assert kept_back_since(webhook, NOON) == 0


def test_conditions_are_looked_at_while_nobody_waits(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outside the transaction, and each payload is read once however many webhooks ask."""
    read = list[bytes]()

    def note(payload: bytes) -> Facts:
        assert not proxy.in_transaction()
        read.append(payload)
        return read_facts(payload)

    monkeypatch.setattr(decisions, "read_facts", note)
    for _ in range(3):
        add_webhook(vault, business, chosen=ONLY)
    add_webhook(vault, business)
    for number in range(120):
        ticket(business, number)
    assert fan_out(500, NOON) == FannedOut(120, 180)
    assert len(read) == 120


def test_a_business_without_conditions_has_none_of_its_payloads_read(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decide(*_: object) -> None:
        raise AssertionError("something is decided")

    monkeypatch.setattr(Decisions, "decide", decide)
    add_webhook(vault, business)
    ticket(business, 1)
    assert fan_out(500, NOON) == FannedOut(1, 1)


@pytest.mark.usefixtures("three_rows")
def test_of_an_event_in_parts_what_is_kept_back_is_counted_once(
    business: int, vault: Vault
) -> None:
    choosy = [add_webhook(vault, business, chosen=ONLY).id for _ in range(4)]
    everything = [add_webhook(vault, business).id for _ in range(4)]
    ticket(business, 1)
    parts = in_parts()
    assert [each.deliveries for each in parts] == [0, 2, 2]
    assert [webhook for _, webhook in made()] == everything
    assert [kept_back_since(each, NOON) for each in choosy] == [1] * 4


def test_conditions_that_change_between_two_looks_are_those_of_the_second(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = add_webhook(vault, business, chosen=ONLY).id
    ticket(business, 1)
    decide = Decisions.decide

    def decide_and_edit(self: Decisions, receivers: Iterable[Receiver]) -> None:
        decide(self, receivers)
        monkeypatch.setattr(Decisions, "decide", decide)
        chosen: Chosen = {"only": ["total_tvac < 100"]}
        edit_webhook(MARIE, webhook, NOON, policy=DEVELOPMENT, chosen=chosen)

    monkeypatch.setattr(Decisions, "decide", decide_and_edit)
    assert fan_out(500, NOON) == FannedOut(1, 1)
