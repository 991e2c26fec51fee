"""Passes over real tables, on both engines, to real sockets."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from peewee import OperationalError
from standardwebhooks.webhooks import Webhook as StandardWebhook

from core.domain import payload as payload_module
from core.domain.choices import Chosen, Format
from core.domain.delivery import ErrorKind, Outcome, Schedule, Status, Unsendable
from core.domain.events import EventType
from core.domain.own_headers import parse_headers
from core.domain.signing import SIGNATURE_HEADER, build_body, wire_time
from core.errors import BadKeyFile
from core.outbound import transport
from core.outbound.sender import Sender
from core.outbound.transport import Errand
from core.pipeline import last_look, leases, settling, steps
from core.pipeline.leases import LEASE, Claim
from core.pipeline.settling import Settlement
from core.pipeline.steps import Step
from core.storage.database import transaction
from core.storage.models import Delivery, Event, Webhook
from core.storage.standing import Standings
from core.storage.vault import Vault, load_vault
from core.use_cases import queries, services
from core.use_cases.businesses import add_business, set_business
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.services import NewWebhook
from core.verification.history import Post
from tasks import attempt, database_thread, dispatcher, gates, last_looks, writer
from tasks.ahead import Held
from tasks.attempt import Attempts, Made
from tasks.dispatcher import Dispatcher
from tasks.last_looks import LastLooks
from tasks.shares import Limits
from tasks.tally import Tally
from tasks.wakes import aside
from tasks.writer import Found, Rules, Writer
from tests.support.notes import notes
from tests.support.scene import (
    MARIE,
    MINUTE,
    NOON,
    OPERATOR,
    SECOND,
    add_webhook,
    make_sender,
    publish_ticket,
)
from tests.support.scripted import post_of
from tests.support.waiting import PATIENCE, until
from tests.support.wire import Talk, read_request, response, talking

SCHEDULE = Schedule((SECOND,), 3)
LIMITS = Limits(256, 16, 256)


def make_dispatcher(
    vault: Vault,
    *,
    limits: Limits = LIMITS,
    timeout: timedelta = 10 * SECOND,
    clock: Callable[[], datetime] = lambda: NOON,
    open_vault: Callable[[], Vault] | None = None,
    on_backlog: Callable[[], None] = lambda: None,
) -> Dispatcher:
    notes().schedule = SCHEDULE
    return Dispatcher(
        make_sender(timeout),
        open_vault or (lambda: vault),
        Rules(SCHEDULE),
        limits,
        clock,
        on_backlog=on_backlog,
    )


def pass_time(monkeypatch: pytest.MonkeyPatch, seconds: Callable[[], float]) -> None:
    """Have the monotonic clock be ahead by so much, for all that a pass compares with it."""
    for module in (dispatcher, last_looks, writer):
        monkeypatch.setattr(module, "monotonic", lambda: monotonic() + seconds())


def run(
    talk: Talk,
    scene: Callable[[str], Awaitable[None] | None],
    dispatcher: Callable[[], Dispatcher],
    until: datetime = NOON,
) -> Tally:
    """One pass over what `scene` prepares, given the address of a server that talks like this."""

    async def main() -> Tally:
        async with talking(talk) as port:
            scene(f"http://127.0.0.1:{port}")
            passing = dispatcher()
            try:
                return await passing.drain(lambda: until)
            finally:
                await passing.close()

    return asyncio.run(main())


class Server:
    """Answers each path with a status, and remembers the requests."""

    def __init__(self, *answers: int) -> None:
        self._answers: Iterator[int] = iter(answers)
        self.requests: list[bytes] = []
        self.posts: list[Post] = []
        notes().receivers.append(self)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request, status = await read_request(reader), next(self._answers, 200)
            self.requests.append(request)
            self.posts.append(post_of(request, status))
            writer.write(response(status))
            await writer.drain()

    def paths(self) -> Counter[str]:
        return Counter(request.split(b" ")[1].decode() for request in self.requests)


def rows(webhook_id: int) -> list[DeliveryRow]:
    return queries.deliveries(MARIE, webhook_id)


def test_a_pass_delivers_everything_that_is_due(business: int, vault: Vault) -> None:
    server = Server()

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        add_webhook(vault, business, url)
        for _ in range(40):
            publish_ticket(business)

    tally = run(server, scene, lambda: make_dispatcher(vault))
    assert tally == Tally(events=40, attempts=80, delivered=80)
    assert len(server.requests) == 80


def test_a_pass_empties_the_outbox_even_of_what_nobody_asked_for(
    business: int, vault: Vault
) -> None:
    now = NOON
    columns = [Event.business, Event.type, Event.payload, Event.created_at]
    with transaction():
        rows = [(business, "ticket.created", b"{}", now)] * 1200
        Event.insert_many(rows, columns).execute()
    assert run(Server(), lambda _: None, lambda: make_dispatcher(vault)).events == 1200


def test_a_retry_is_made_again_with_the_same_id_and_bytes(business: int, vault: Vault) -> None:
    server = Server(500, 500)

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        publish_ticket(business)

    async def main() -> list[Tally]:
        async with talking(server) as port:
            scene(f"http://127.0.0.1:{port}")
            tallies = []
            for seconds in range(3):
                now = NOON + seconds * SECOND
                passing = make_dispatcher(vault, clock=lambda now=now: now)  # type: ignore[misc]
                tallies.append(await passing.drain(lambda now=now: now))  # type: ignore[misc]
                await passing.close()
            return tallies

    assert [(each.failed, each.delivered) for each in asyncio.run(main())] == [
        (1, 0),
        (1, 0),
        (0, 1),
    ]
    bodies = {request.partition(b"\r\n\r\n")[2] for request in server.requests}
    assert len(bodies) == 1
    assert len(server.requests) == 3


def test_what_becomes_due_during_a_pass_is_left_for_the_next(business: int, vault: Vault) -> None:
    server = Server(500)

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        publish_ticket(business)

    late = NOON + timedelta(hours=1)
    tally = run(server, scene, lambda: make_dispatcher(vault, clock=lambda: late))
    assert (tally.attempts, tally.failed) == (1, 1)


def test_no_webhook_has_more_in_flight_than_its_share(business: int, vault: Vault) -> None:
    open_now, most, share, enough = 0, 0, 5, asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        while True:
            await read_request(reader)
            open_now += 1
            most = max(most, open_now)
            if open_now == share:
                enough.set()
            await enough.wait()
            await asyncio.sleep(0.02)  # in which one more would come
            open_now -= 1
            writer.write(response(200))

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        for _ in range(30):
            publish_ticket(business)

    tally = run(talk, scene, lambda: make_dispatcher(vault, limits=Limits(64, share, 64)))
    assert tally.delivered == 30
    assert most == share


def test_whatever_has_ended_is_settled_in_the_next_turn(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = 450  # few enough to be fanned out and claimed in one turn: nothing starts after it
    settle, sizes, answered, all_answered = (
        settling.settle,
        list[int](),
        Counter(),
        threading.Event(),
    )

    def count(step: Step) -> None:
        answered[step] += 1
        if answered[Step.ANSWERED] == due:
            all_answered.set()

    def settle_slowly(batch: list[Settlement], *rest: Any) -> Any:
        assert all_answered.wait(PATIENCE)
        sizes.append(len(batch))
        return settle(batch, *rest)

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        for _ in range(due):
            publish_ticket(business)

    monkeypatch.setattr(steps, "_watcher", count)
    monkeypatch.setattr(settling, "settle", settle_slowly)
    tally = run(Server(), scene, lambda: make_dispatcher(vault, limits=Limits(1024, 1024, 1024)))
    assert tally.delivered == due
    assert sum(size > 0 for size in sizes) <= 2  # the first to end, and all the others


def test_webhooks_that_hang_do_not_hold_up_one_that_answers(business: int, vault: Vault) -> None:
    """It comes last of many that are not known yet either, and waits for one call to each."""
    hanging, due, hung = 40, 10, 0
    hung_before: list[int] = []  # each POST to the one that answers

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal hung
        while True:
            if b" /healthy " in await read_request(reader):
                hung_before.append(hung)
                writer.write(response(200))
            else:
                hung += 1

    async def main() -> None:
        async with talking(talk) as port:
            for _ in range(hanging):
                add_webhook(vault, business, f"http://127.0.0.1:{port}/hangs")
            add_webhook(vault, business, f"http://127.0.0.1:{port}/healthy")
            for _ in range(due):
                publish_ticket(business)
            passing = make_dispatcher(vault, limits=Limits(16, 8, 16), timeout=SECOND / 2)
            await passing.drain(
                lambda: NOON, lambda tally: passing.stop() if tally.delivered == due else None
            )
            await passing.close()

    asyncio.run(main())
    assert len(hung_before) == due
    assert max(hung_before) < 4 * hanging  # of the ten times as many that are due


def test_one_that_has_answered_finds_room_however_many_hang(business: int, vault: Vault) -> None:
    limits, hanging, hung = Limits(16, 8, 16), 40, 0
    other = add_business(OPERATOR, "Chez Paul", "group", "marie", NOON)
    hung_before: list[int] = []  # each POST to the one that answers

    async def main() -> None:
        full, came, let_go = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal hung
            while True:
                if b" /healthy " in await read_request(reader):
                    hung_before.append(hung)
                    came.set()
                else:
                    hung += 1
                    if hung == limits.unproven:
                        full.set()
                    await let_go.wait()
                writer.write(response(200))

        async with talking(talk) as port, asyncio.timeout(PATIENCE):
            passing = make_dispatcher(vault, limits=limits)
            add_webhook(vault, other, f"http://127.0.0.1:{port}/healthy")
            publish_ticket(other)
            await passing.drain(lambda: NOON)
            for _ in range(hanging):
                add_webhook(vault, business, f"http://127.0.0.1:{port}/hangs")
            publish_ticket(business)
            draining = asyncio.create_task(passing.drain(lambda: NOON))
            await full.wait()
            came.clear()
            publish_ticket(other)
            passing.look()
            await came.wait()
            passing.stop()
            let_go.set()
            await draining
            await passing.close()

    asyncio.run(main())
    assert hung_before == [0, limits.unproven]  # all that there was room for, and none had ended


def test_a_webhook_deleted_before_the_first_byte_is_not_called(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    claim = leases.claim

    def delete_after_claiming(*args: object, **known: object) -> list[leases.Claim]:
        claims = claim(*args, **known)  # type: ignore[arg-type]  # passed through
        for each in claims:
            services.delete_webhook(MARIE, each.webhook_id, NOON)
        return claims

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        publish_ticket(business)

    monkeypatch.setattr(leases, "claim", delete_after_claiming)
    assert run(server, scene, lambda: make_dispatcher(vault)).attempts == 0
    assert server.requests == []


def test_a_secret_regenerated_before_the_first_byte_signs_instead_of_the_old(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, new = Server(), []
    claim = leases.claim

    def regenerate_after_claiming(*args: object, **known: object) -> list[leases.Claim]:
        claims = claim(*args, **known)  # type: ignore[arg-type]  # passed through
        if claims and not new:
            new.append(services.regenerate_secret(MARIE, claims[0].webhook_id, NOON, vault=vault))
        return claims

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        publish_ticket(business)

    monkeypatch.setattr(leases, "claim", regenerate_after_claiming)
    tally = run(server, scene, lambda: make_dispatcher(vault))
    assert (tally.attempts, tally.delivered) == (1, 1)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert new[0].sign(body).encode() in head


def test_an_option_switched_off_stops_what_waits_and_on_again_it_goes_on(
    database: str, vault: Vault
) -> None:
    server = Server()
    shop = add_business(OPERATOR, "Boutique", "boutique", "marie", NOON, option=True)

    async def main() -> list[int]:
        async with talking(server) as port:
            add_webhook(vault, shop, f"http://127.0.0.1:{port}/")
            publish_ticket(shop)
            delivered = []
            for option in (False, True):
                set_business(OPERATOR, shop, NOON, option=option)
                passing = make_dispatcher(vault)
                delivered.append((await passing.drain(lambda: NOON)).delivered)
                await passing.close()
            return delivered

    assert asyncio.run(main()) == [0, 1]


@pytest.mark.fault(30, "a corrupted payload row")
def test_a_damaged_payload_ends_its_delivery_and_the_others_go_on(
    business: int, vault: Vault
) -> None:
    server, webhooks = Server(), []

    def scene(url: str) -> None:
        webhooks.append(add_webhook(vault, business, url).id)
        damaged = publish_ticket(business)
        publish_ticket(business)
        with transaction():
            Event.update(payload=b'{"total": \xff\x00').where(Event.id == damaged).execute()

    tally = run(server, scene, lambda: make_dispatcher(vault))
    assert (tally.delivered, tally.abandoned) == (1, 1)
    newest, damaged = rows(webhooks[0])
    assert newest.status is Status.DELIVERED
    assert (damaged.status, damaged.error) == (Status.ABANDONED, ErrorKind.CORRUPT)


def test_a_payload_that_is_json_and_not_what_came_in_is_damaged_too(
    business: int, vault: Vault
) -> None:
    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        damaged = publish_ticket(business)
        with transaction():
            Event.update(payload=b'{"total_tvac": 55.11}').where(Event.id == damaged).execute()

    assert run(Server(), scene, lambda: make_dispatcher(vault)).abandoned == 1


def test_what_another_program_put_into_the_outbox_is_looked_at_once(
    business: int, vault: Vault
) -> None:
    columns = [Event.business, Event.type, Event.payload, Event.created_at]

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        with transaction():
            for payload in (b"{}", b"{"):
                row = (business, EventType.TICKET_CREATED, payload, NOON)
                Event.insert_many([row], columns).execute()

    tally = run(Server(), scene, lambda: make_dispatcher(vault))
    assert (tally.delivered, tally.attempts) == (1, 1)
    with transaction():
        [refused] = Event.select(Event.refused).where(~Event.refused.is_null()).tuples()
    assert "not JSON" in refused[0]


def test_no_payload_is_parsed_to_be_sent(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[bytes] = []

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        publish_ticket(business)
        monkeypatch.setattr(payload_module, "decoded", parsed.append)

    assert run(Server(), scene, lambda: make_dispatcher(vault)).delivered == 1
    assert parsed == []


def test_the_log_says_nothing_that_came_from_outside(
    business: int, vault: Vault, caplog: pytest.LogCaptureFixture
) -> None:
    quoted = "0612345678"
    answers = iter(
        [
            response(301, Location=f"https://example.com/?token={quoted}"),
            response(500, quoted.encode()),
            f"HTTP/1.1 2xx {quoted}\r\n\r\n".encode(),
            quoted.encode() + b"\r\n\r\n",
        ]
    )

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(next(answers))

    def scene(url: str) -> None:
        add_webhook(vault, business, f"{url}/?token={quoted}")
        for _ in range(4):
            publish_ticket(business)

    with caplog.at_level(logging.DEBUG, "tasks"):
        assert run(talk, scene, lambda: make_dispatcher(vault)).failed == 4
    told = [str(vars(record)) for record in caplog.records]
    assert sum("protocol" in line for line in told) == 2  # in words of ours
    assert not any(quoted in line for line in told)


def test_without_the_key_nothing_is_claimed_and_no_attempt_is_used(
    business: int, vault: Vault, tmp_path: Path
) -> None:
    server, webhooks = Server(), []

    def scene(url: str) -> None:
        webhooks.append(add_webhook(vault, business, url).id)
        publish_ticket(business)

    with pytest.raises(BadKeyFile, match="missing"):
        run(
            server,
            scene,
            lambda: make_dispatcher(vault, open_vault=lambda: load_vault(tmp_path / "gone")),
        )
    assert server.requests == []
    run(server, lambda _: None, lambda: make_dispatcher(vault))
    assert [row.attempts for row in rows(webhooks[0])] == [1]


@pytest.mark.fault(31, "key file missing or wrong")
def test_with_the_wrong_key_deliveries_wait_and_nothing_unsigned_is_sent(
    business: int, vault: Vault
) -> None:
    server, webhooks = Server(), []
    wrong = Vault(((b"\x00" * 4, b"\x00" * 32),))

    def scene(url: str) -> None:
        webhooks.append(add_webhook(vault, business, url).id)
        publish_ticket(business)

    assert run(server, scene, lambda: make_dispatcher(wrong)).attempts == 0
    assert server.requests == []
    [row] = rows(webhooks[0])
    assert (row.status, row.attempts, row.error) == (Status.PENDING, 0, None)
    assert row.next_attempt_at == NOON + timedelta(minutes=1)


def test_an_outcome_the_database_would_not_take_is_settled_later(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, webhooks = Server(), []
    settle = settling.settle

    def full(*_: object) -> None:
        monkeypatch.setattr(settling, "settle", settle)
        raise OperationalError("database or disk is full")

    def scene(url: str) -> None:
        webhooks.append(add_webhook(vault, business, url).id)
        publish_ticket(business)

    monkeypatch.setattr(settling, "settle", full)
    with pytest.raises(OperationalError):
        run(server, scene, lambda: make_dispatcher(vault))
    assert [row.status for row in rows(webhooks[0])] == [Status.DELIVERED]
    assert len(server.requests) == 1


def test_what_cannot_be_looked_at_last_is_not_sent(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, webhooks = Server(), []
    judge, sent_before = last_look.judge, list[int]()  # each look

    def away_at_first(*looked_at: Any) -> list[bool]:
        sent_before.append(len(server.requests))
        if len(sent_before) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return judge(*looked_at)

    def scene(url: str) -> None:
        webhooks.append(add_webhook(vault, business, url).id)
        publish_ticket(business)

    monkeypatch.setattr(last_look, "judge", away_at_first)
    assert run(server, scene, lambda: make_dispatcher(vault)).delivered == 1
    assert sent_before == [0, 0]
    assert [row.attempts for row in rows(webhooks[0])] == [1]


def test_a_claim_whose_lease_ran_out_before_the_first_byte_is_not_sent(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a process stood still: another worker may have sent it meanwhile."""
    server, asked, stood_still = Server(), list[list[Claim]](), 0.0
    judge = last_look.judge

    def slow_at_first(claims: list[Claim], known: Any) -> list[bool]:
        nonlocal stood_still
        stood_still = LEASE.total_seconds()
        asked.append(claims)
        return judge(claims, known)

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        publish_ticket(business)

    monkeypatch.setattr(last_look, "judge", slow_at_first)
    pass_time(monkeypatch, lambda: stood_still)
    tally = run(server, scene, lambda: make_dispatcher(vault))
    assert (len(asked), len(server.requests), tally.attempts) == (2, 1, 1)


def test_attempts_that_end_at_once_in_one_place_let_others_have_their_turn(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn, turns = 0, list[int]()

    async def damaged(*_: object) -> Made:
        turns.append(turn)
        return Made(Unsendable("the stored event was damaged"))

    def count_turns() -> None:
        nonlocal turn
        turn += 1
        asyncio.get_running_loop().call_soon(count_turns)

    async def main() -> Tally:
        count_turns()
        passing = make_dispatcher(vault, limits=Limits(1, 1, 1))
        tally = await passing.drain(lambda: NOON)
        await passing.close()
        return tally

    monkeypatch.setattr(gates, "_SAMPLE", 0.0)  # so that more is claimed than there are places
    monkeypatch.setattr(Attempts, "make", damaged)
    add_webhook(vault, business)
    for _ in range(10):
        publish_ticket(business)
    assert asyncio.run(main()).abandoned == 10
    assert len(set(turns)) == 10


def test_an_attempt_that_breaks_leaves_its_place_to_the_next(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, broken = Attempts.make, list[Held]()

    async def breaks_at_first(self: Attempts, held: Held, *with_what: Any) -> Made:
        if not broken:
            broken.append(held)
            raise RuntimeError
        return await make(self, held, *with_what)

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        for _ in range(3):
            publish_ticket(business)

    monkeypatch.setattr(Attempts, "make", breaks_at_first)
    tally = run(Server(), scene, lambda: make_dispatcher(vault, limits=Limits(1, 1, 1)))
    assert tally == Tally(events=3, attempts=2, delivered=2)


def test_a_queue_that_hangs_holds_no_delivery_up(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "_ROSTER_FOR", 0.0)
    server, rang, answered = Server(), threading.Event(), threading.Event()

    def ring() -> None:
        rang.set()
        assert answered.wait(PATIENCE)

    async def answer_once_it_rang(*connection: Any) -> None:
        await until(rang.is_set)  # so that there is more than has been started
        await server(*connection)

    async def main() -> int:
        async with talking(answer_once_it_rang) as port:
            add_webhook(vault, business, f"http://127.0.0.1:{port}/")
            for _ in range(20):
                publish_ticket(business)
            passing = make_dispatcher(vault, limits=Limits(2, 2, 2), on_backlog=aside(ring))
            tally = await passing.drain(lambda: NOON)
            await passing.close()
            return tally.delivered

    assert asyncio.run(main()) == 20  # though nothing has answered the bell yet
    answered.set()


@pytest.mark.parametrize("name", ["reader", "writer"])
def test_a_connection_that_cannot_be_opened_is_tried_anew(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As when for a moment there are no file descriptors left."""
    hold, refused = database_thread.hold_connection, []

    def refuse_once(**how: bool) -> None:
        writes = threading.current_thread().name.startswith("writer")
        if writes is (name == "writer") and not refused:
            refused.append(name)
            raise OperationalError("unable to open database file")
        hold(**how)

    async def refuse() -> None:
        raise OperationalError("no more connections for you")

    async def main() -> int:
        async with talking(Server()) as port:
            add_webhook(vault, business, f"http://127.0.0.1:{port}/")
            publish_ticket(business)
            passing = make_dispatcher(vault)
            with suppress(OperationalError):
                await passing.drain(lambda: NOON)
            await passing.drain(lambda: NOON)
            await passing.close()
        return Delivery.select().where(Delivery.status == Status.DELIVERED).count()

    monkeypatch.setattr(database_thread, "hold_connection", refuse_once)
    monkeypatch.setattr(last_looks, "hold_connection", refuse_once)  # the loop's own, on SQLite
    monkeypatch.setattr(Standings, "open", refuse)  # and on PostgreSQL
    assert (asyncio.run(main()), refused) == (1, [name])


def test_an_attempt_that_breaks_off_gives_its_place_to_the_next(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, build, broken = Server(), attempt.build_body, []

    def break_once(*args: Any) -> bytes:
        if not broken:
            broken.append(args)
            raise ZeroDivisionError
        return build(*args)

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        publish_ticket(business)
        publish_ticket(business)

    monkeypatch.setattr(attempt, "build_body", break_once)
    assert run(server, scene, lambda: make_dispatcher(vault, limits=Limits(1, 1, 1))).delivered == 1
    assert Delivery.get(Delivery.status == Status.PENDING).due_at == NOON + LEASE


def test_a_stopped_dispatcher_settles_what_is_in_flight_and_claims_nothing_more(
    business: int, vault: Vault
) -> None:
    async def main() -> Tally:
        begun, finish = asyncio.Event(), asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            begun.set()
            await finish.wait()
            writer.write(response(200))

        async with talking(talk) as port:
            add_webhook(vault, business, f"http://127.0.0.1:{port}/")
            publish_ticket(business)
            publish_ticket(business)
            passing = make_dispatcher(vault, limits=Limits(1, 1, 1))
            draining = asyncio.create_task(passing.drain(lambda: NOON))
            await begun.wait()
            passing.stop()
            finish.set()
            tally = await draining
            await passing.close()
            return tally

    assert asyncio.run(main()) == Tally(events=2, attempts=1, delivered=1)
    assert Delivery.select().where(Delivery.status == Status.PENDING).count() == 1


def test_a_close_that_cannot_settle_still_lets_everything_go(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        publish_ticket(business)

    monkeypatch.setattr(settling, "settle", broken)
    with pytest.raises(ZeroDivisionError):
        run(Server(), scene, lambda: make_dispatcher(vault))
    assert not [each for each in threading.enumerate() if each.name.startswith("writer")]


def test_a_lease_lasts_its_whole_time_in_a_pass_that_began_long_ago(
    business: int, vault: Vault
) -> None:
    later, leased_until = NOON + 10 * LEASE, []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        leased_until.append(Delivery.get().due_at)
        writer.write(response(200))

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        publish_ticket(business)

    assert run(talk, scene, lambda: make_dispatcher(vault, clock=lambda: later)).delivered == 1
    assert leased_until == [later + LEASE]


# What is claimed ahead


class Gated:
    """A server that answers as many requests as it is let, and says how many have come."""

    def __init__(self) -> None:
        self.came = 0
        self._let = asyncio.Semaphore(0)
        self._news = asyncio.Condition()

    def let(self, number: int) -> None:
        for _ in range(number):
            self._let.release()

    async def until(self, number: int) -> None:
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: self.came >= number)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            async with self._news:
                self.came += 1
                self._news.notify_all()
            await self._let.acquire()
            writer.write(response(200))


def leased() -> int:
    return int(Delivery.select().where(Delivery.lease.is_null(is_null=False)).count())


def start_with_a_rate(
    passing: Dispatcher, monkeypatch: pytest.MonkeyPatch, per_second: float
) -> "asyncio.Task[Tally]":
    """Drain as if so many deliveries had ended each second of late."""
    monkeypatch.setattr(gates.Gate, "_rate", lambda *_: per_second)
    return asyncio.create_task(passing.drain(lambda: NOON))


def ahead_of(
    business: int,
    vault: Vault,
    scene: Callable[[Dispatcher, Gated, Callable[..., "asyncio.Task[Tally]"]], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten deliveries to a webhook that may have two in flight."""

    async def main() -> None:
        server = Gated()
        async with talking(server) as port, asyncio.timeout(PATIENCE):
            add_webhook(vault, business, f"http://127.0.0.1:{port}/")
            for _ in range(10):
                publish_ticket(business)
            passing = make_dispatcher(vault, limits=Limits(8, 2, 8))
            await scene(passing, server, partial(start_with_a_rate, passing, monkeypatch))
            await passing.close()

    asyncio.run(main())


def test_a_place_is_taken_again_while_the_database_is_still_at_the_last_claim(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, go_on = settling.settle, threading.Event()

    def settle_slowly(*args: Any) -> Any:
        assert go_on.wait(PATIENCE)
        return settle(*args)

    async def scene(_: Dispatcher, server: Gated, drain: Callable[..., Any]) -> None:
        monkeypatch.setattr(settling, "settle", settle_slowly)
        draining = drain(per_second=8.0)
        await server.until(2)
        server.let(4)
        await server.until(6)  # two and four that were claimed ahead, none of them settled
        assert Delivery.select().where(Delivery.status == Status.DELIVERED).count() == 0
        go_on.set()
        server.let(6)
        assert (await draining).delivered == 10

    ahead_of(business, vault, scene, monkeypatch)


def test_what_is_ahead_at_a_stop_is_given_back_as_it_was(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(passing: Dispatcher, server: Gated, drain: Callable[..., Any]) -> None:
        draining = drain(per_second=8.0)
        await server.until(2)
        assert leased() == 6
        passing.stop()
        server.let(2)
        assert (await draining).delivered == 2
        assert (server.came, leased()) == (2, 0)

    ahead_of(business, vault, scene, monkeypatch)
    waiting = Delivery.select().where(Delivery.status == Status.PENDING)
    assert [(row.due_at, row.attempts) for row in waiting] == [(NOON, 0)] * 8


def test_what_is_not_started_in_time_is_given_back_and_claimed_anew(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease must last for the whole attempt, and who could send it sooner may have it."""
    loop: asyncio.AbstractEventLoop
    late = 0.0
    pass_time(monkeypatch, lambda: late)
    given_back, give_back, returned = list[int](), leases.give_back, asyncio.Event()

    def note(claims: list[Claim], now: datetime) -> None:
        given_back.append(len(claims))
        give_back(claims, now)
        loop.call_soon_threadsafe(returned.set)

    monkeypatch.setattr(leases, "give_back", note)

    async def scene(passing: Dispatcher, server: Gated, drain: Callable[..., Any]) -> None:
        nonlocal late, loop
        loop = asyncio.get_running_loop()
        draining = drain(per_second=8.0)
        await server.until(2)
        late = LEASE.total_seconds() / 5
        passing.look()
        await returned.wait()
        server.let(10)
        assert (await draining).delivered == 10

    ahead_of(business, vault, scene, monkeypatch)
    assert given_back[0] == 4


def test_nothing_is_claimed_ahead_of_places_where_nothing_is_known_of_the_rate(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(passing: Dispatcher, server: Gated, _: Callable[..., Any]) -> None:
        draining = asyncio.create_task(passing.drain(lambda: NOON))
        await server.until(2)
        assert leased() == 2
        server.let(10)
        await draining

    ahead_of(business, vault, scene, monkeypatch)


def test_a_pass_that_was_stopped_rests_until_what_is_in_flight_has_ended(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, turns, take_turn = 0.0, 0, Dispatcher._take_turn

    async def counted(*args: Any) -> None:
        nonlocal turns
        turns += 1
        await take_turn(*args)

    async def scene(passing: Dispatcher, server: Gated, drain: Callable[..., Any]) -> None:
        nonlocal late, turns
        draining = drain(0)
        await server.until(2)
        passing.stop()
        late, turns = 60.0, 0
        for _ in range(100):
            await asyncio.sleep(0)
        assert turns <= 1
        server.let(2)
        assert (await draining).delivered == 2

    pass_time(monkeypatch, lambda: late)
    monkeypatch.setattr(Dispatcher, "_take_turn", counted)
    ahead_of(business, vault, scene, monkeypatch)


def test_a_backlog_is_told_once_a_second_and_helps_nobody_else(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bool] = []
    looks, look_around, began = [0], Writer.look_around, monotonic()

    async def counted(self: Writer, until: datetime) -> Found:
        looks[0] += 1
        return await look_around(self, until)

    async def main() -> None:
        server = Gated()
        async with talking(server) as port, asyncio.timeout(PATIENCE):
            add_webhook(vault, business, f"http://127.0.0.1:{port}/")
            for _ in range(4):
                publish_ticket(business)
            passing = make_dispatcher(
                vault, limits=Limits(1, 1, 1), on_backlog=lambda: calls.append(passing.can_help)
            )
            assert passing.can_help
            draining = asyncio.create_task(passing.drain(lambda: NOON))
            await server.until(1)
            for seen in range(looks[0], looks[0] + 3):
                passing.look()
                await until(lambda seen=seen: looks[0] > seen)
            server.let(4)
            await draining
            assert passing.can_help
            await passing.close()

    monkeypatch.setattr(dispatcher, "monotonic", lambda: began)  # all within a second
    monkeypatch.setattr(Writer, "look_around", counted)
    asyncio.run(main())
    assert calls == [False]


def test_a_chat_line_is_signed_as_it_is_sent_and_others_stay_as_they_were(
    business: int, vault: Vault
) -> None:
    server, webhooks = Server(), list[NewWebhook]()

    def scene(url: str) -> None:
        webhooks.append(add_webhook(vault, business, f"{url}/chat", chosen={"format": Format.CHAT}))
        webhooks.append(add_webhook(vault, business, f"{url}/json"))
        publish_ticket(business)

    assert run(server, scene, lambda: make_dispatcher(vault)).delivered == 2
    chat, plain = sorted(server.posts, key=lambda post: post.url)
    assert chat.body == '{"text":"Ticket · 55.10 €"}'.encode()
    assert chat.headers[SIGNATURE_HEADER] == webhooks[0].secret.sign(chat.body)
    assert chat.headers.keys() == plain.headers.keys()
    delivery, created_at = str(rows(webhooks[1].id)[0].uuid), wire_time(NOON)
    assert plain.body == build_body(
        "ticket.created", delivery, created_at, b'{"total_tvac": 55.10}'
    )


def test_standard_webhooks_headers_come_beside_ours_where_they_are_chosen(
    business: int, vault: Vault
) -> None:
    """With the time of the attempt, which is later than the event's."""
    server, webhooks, now = Server(), list[NewWebhook](), datetime.now(UTC)

    def scene(url: str) -> None:
        chosen: Chosen = {"standard_webhooks": True}
        webhooks.append(add_webhook(vault, business, f"{url}/both", chosen=chosen))
        webhooks.append(add_webhook(vault, business, f"{url}/ours"))
        publish_ticket(business)

    run(server, scene, lambda: make_dispatcher(vault, clock=lambda: now), now)
    both, ours = sorted(server.posts, key=lambda post: post.url)
    headers = {name.lower(): value for name, value in both.headers.items()}
    StandardWebhook(webhooks[0].secret.reveal()).verify(both.body, headers)
    assert headers["webhook-timestamp"] == str(int(now.timestamp()))
    assert both.headers[SIGNATURE_HEADER] == webhooks[0].secret.sign(both.body)
    assert both.headers.keys() - ours.headers.keys() == {
        *("webhook-id", "webhook-timestamp", "webhook-signature")
    }


def own(*lines: str) -> Chosen:
    return {"headers": parse_headers(lines)}


def test_own_headers_are_sent_to_their_webhook_alone(business: int, vault: Vault) -> None:
    server = Server()

    def scene(url: str) -> None:
        add_webhook(vault, business, f"{url}/a", chosen=own("X-Api-Key: first", "X-Tenant: marie"))
        add_webhook(vault, business, f"{url}/b", chosen=own("X-Api-Key: second"))
        add_webhook(vault, business, f"{url}/c")
        publish_ticket(business)

    run(server, scene, lambda: make_dispatcher(vault))
    a, b, c = sorted(server.posts, key=lambda post: post.url)
    assert (a.headers["X-Api-Key"], a.headers["X-Tenant"]) == ("first", "marie")
    assert b.headers["X-Api-Key"] == "second"
    assert a.headers.keys() - c.headers.keys() == {"X-Api-Key", "X-Tenant"}


def test_a_header_that_does_not_open_lets_its_webhook_wait_and_no_other(
    business: int, vault: Vault
) -> None:
    """What was sealed for one webhook is worth nothing at another."""
    server, webhooks = Server(), list[NewWebhook]()

    def scene(url: str) -> None:
        webhooks.append(add_webhook(vault, business, url, chosen=own("X-Api-Key: first")))
        webhooks.append(add_webhook(vault, business, url, chosen=own("X-Api-Key: second")))
        with transaction():
            stolen = Webhook.get_by_id(webhooks[0].id).headers
            Webhook.update(headers=stolen).where(Webhook.id == webhooks[1].id).execute()
        publish_ticket(business)

    assert run(server, scene, lambda: make_dispatcher(vault)).attempts == 1
    assert [post.headers["X-Api-Key"] for post in server.posts] == ["first"]
    [waiting] = rows(webhooks[1].id)
    assert (waiting.status, waiting.attempts) == (Status.PENDING, 0)


def test_a_pass_tells_of_a_webhook_whose_time_has_come_and_delivers_it(
    business: int, vault: Vault
) -> None:
    server, webhooks = Server(), list[NewWebhook]()

    def scene(url: str) -> None:
        webhooks.append(add_webhook(vault, business, f"{url}/shop"))
        webhooks.append(add_webhook(vault, business, f"{url}/chat", chosen={"alerts": True}))
        Webhook.update(lost_since=NOON, look_at=NOON).where(Webhook.id == webhooks[0].id).execute()

    tally = run(server, scene, lambda: make_dispatcher(vault))
    assert (tally.events, tally.delivered) == (1, 1)
    assert server.paths() == {"/chat": 1}
    assert b'"event":"alert"' in server.requests[0]


def test_an_event_does_not_wait_for_what_is_to_be_told(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, tell_some, sent_before = Server(), writer.tell_some, list[int]()

    def noted(*args: Any) -> bool:
        sent_before.append(len(server.requests))
        return tell_some(*args)

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        Webhook.update(lost_since=NOON, look_at=NOON).execute()
        publish_ticket(business)

    monkeypatch.setattr(writer, "tell_some", noted)
    assert run(server, scene, lambda: make_dispatcher(vault)).delivered == 1
    assert sent_before == [1]


def test_what_is_to_be_told_does_not_wait_for_the_end_of_a_long_pass(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = 0.0

    async def scene(passing: Dispatcher, server: Gated, drain: Callable[..., Any]) -> None:
        nonlocal late
        draining = drain(0)
        await server.until(2)
        Webhook.update(look_at=NOON).execute()
        late = 1.0
        passing.look()
        await until(lambda: Webhook.get().look_at is None)
        server.let(10)
        assert (await draining).delivered == 10

    pass_time(monkeypatch, lambda: late)
    ahead_of(business, vault, scene, monkeypatch)


def test_it_wakes_by_itself_to_look_at_a_webhook(business: int, vault: Vault) -> None:
    add_webhook(vault, business)
    Webhook.update(look_at=NOON + MINUTE).execute()

    async def next_due() -> datetime | None:
        passing = make_dispatcher(vault)
        try:
            return await passing.next_due()
        finally:
            await passing.close()

    assert asyncio.run(next_due()) == NOON + MINUTE


def test_at_a_slow_pace_the_next_one_counts_from_when_the_one_before_was_sent(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, may_send = 0.0, LastLooks.may_send

    async def slowly(self: LastLooks, held: Held) -> bool:
        """As a busy machine does, between the start and the wire."""
        nonlocal late
        may_be_sent = await may_send(self, held)
        late += 0.9
        return may_be_sent

    def scene(url: str) -> None:
        add_webhook(vault, business, url, chosen=Chosen(pace="1/s"))
        publish_ticket(business)

    pass_time(monkeypatch, lambda: late)
    monkeypatch.setattr(transport, "monotonic", lambda: monotonic() + late)
    monkeypatch.setattr(LastLooks, "may_send", slowly)
    assert run(Server(), scene, lambda: make_dispatcher(vault)).delivered == 1
    assert NOON + timedelta(seconds=1.95) <= Webhook.get().paced_to < NOON + LEASE


def test_a_certificate_that_ends_soon_is_noted_with_what_was_answered(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, ends, post = Server(), NOON + 5 * MINUTE, Sender.post

    async def after_a_handshake(sender: Sender, errand: Errand, *args: Any) -> Outcome:
        errand.certificate_until = ends
        return await post(sender, errand, *args)

    def scene(url: str) -> None:
        add_webhook(vault, business, url)
        publish_ticket(business)

    monkeypatch.setattr(Sender, "post", after_a_handshake)
    monkeypatch.setattr(writer, "tell_some", lambda *_: False)  # who looks would note that it did
    run(server, scene, lambda: make_dispatcher(vault))
    row = Webhook.get()
    assert (row.certificate_until, row.look_at) == (ends, NOON)
