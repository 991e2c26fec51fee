"""A business with a past, every moment and id of it fixed, and a desk in front of it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from textual.app import App
from textual.events import Key
from textual.pilot import Pilot

from core.domain.actors import Actor
from core.domain.delivery import ErrorKind, Recovery, Status
from core.domain.events import SELECTABLE, EventType
from core.domain.payload import subject_of
from core.pipeline.heartbeat import TICK
from core.storage.database import transaction
from core.storage.models import Attempt, AuditEntry, Delivery, Event, LastRun
from core.storage.ready import lower
from core.storage.vault import Vault
from core.use_cases.services import create_webhook
from tests.support.scene import DAY, DEVELOPMENT, MARIE, MINUTE, NOON, SECOND, silent
from tests.support.waiting import until
from tui.app import WebhooksApp
from tui.desk import Desk
from tui.list_page import ListPage
from tui.page import Page
from tui.screens.webhooks import Webhooks

HOUR = timedelta(hours=1)
CI, PAY, NEW = 1, 2, 3  # the webhooks' ids
REFUSED = (None, ErrorKind.CONNECT, "Connection refused", "")
UPSTREAM = (503, ErrorKind.STATUS, "", "upstream timeout\nat gateway 7")
OK = (200, None, "", '{"ok":true}')


def make_desk(vault: Vault, actor: Actor = MARIE, *, now: datetime = NOON) -> Desk:
    """A desk at which it is always `now`, in UTC."""
    return Desk(
        actor=actor,
        policy=DEVELOPMENT,
        open_vault=lambda: vault,
        wake=silent,
        clock=lambda: now,
        local=lambda when: when.astimezone(UTC),
        max_attempts=5,
        timeout=10 * SECOND,
        recovery_window=12 * HOUR,
        keep=90 * DAY,
        sends_mail=True,
    )


def uuid_of(number: int) -> UUID:
    return UUID(f"7f3a0000-0000-4000-8000-{number:012x}")


class Stored(NamedTuple):
    """The rows of one delivery, without the ids that they are given."""

    event: dict[str, Any]
    delivery: dict[str, Any]
    attempts: list[dict[str, Any]]


def stored(
    number: int,
    webhook_id: int,
    event: EventType,
    status: Status,
    created_at: datetime,
    *outcomes: tuple[int | None, ErrorKind | None, str, str],
    due_at: datetime | None = None,
    payload: bytes | None = None,
) -> Stored:
    """One delivery as it is stored, an attempt for each outcome, five minutes apart."""
    payload = payload or b'{"numero": "T-%d", "total_tvac": 55.10}' % number
    settled = status in {Status.DELIVERED, Status.ABANDONED}
    last = created_at + 5 * MINUTE * max(0, len(outcomes) - 1)
    return Stored(
        {
            "business": 1,
            "type": event,
            "payload": payload,
            "subject": subject_of(payload),
            "created_at": created_at,
            "fanned_out_at": created_at,
        },
        {
            "uuid": uuid_of(number),
            "webhook": webhook_id,
            "status": status,
            "attempts": len(outcomes),
            "due_at": due_at,
            "created_at": created_at,
            "settled_at": last if settled else None,
        },
        [
            {
                "number": at + 1,
                "started_at": created_at + at * 5 * MINUTE,
                "duration_us": 143_000,
                "http_status": http_status,
                "error": error,
                "detail": detail,
                "response": response,
            }
            for at, (http_status, error, detail, response) in enumerate(outcomes)
        ],
    )


def add_delivery(*args: Any, **more: Any) -> None:
    """As `stored` has it."""
    add_deliveries([stored(*args, **more)])


def add_deliveries(deliveries: list[Stored]) -> None:
    """All at once: each row on its own would take five times as long."""
    with transaction():
        events = _insert(Event, [each.event for each in deliveries])
        rows = [
            each.delivery | {"event": event} for each, event in zip(deliveries, events, strict=True)
        ]
        ids = _insert(Delivery, rows)
        attempts = [
            attempt | {"delivery": delivery}
            for each, delivery in zip(deliveries, ids, strict=True)
            for attempt in each.attempts
        ]
        if attempts:
            Attempt.insert_many(attempts).execute()
        for row in rows:
            if row["due_at"] is not None:
                lower([row["webhook"]], row["due_at"])


def _insert(table: type[Event] | type[Delivery], rows: list[dict[str, Any]]) -> list[int]:
    """Their ids, in the same order."""
    return sorted(row.id for row in table.insert_many(rows).returning(table.id).execute())


def register_three(vault: Vault, business_id: int) -> None:
    for url, events in (
        ("https://ci.example.com/in", SELECTABLE),
        ("https://pay.example.net/webhooks/aurapos", SELECTABLE[:2]),
        ("https://new.example.org/hook", SELECTABLE[4:5]),
    ):
        create_webhook(
            MARIE,
            business_id,
            url,
            events,
            NOON - 30 * HOUR,
            policy=DEVELOPMENT,
            vault=vault,
        )


def fill(vault: Vault, business_id: int) -> None:
    """Three webhooks: one is well, one fails, one is new; and a worker that is ticking."""
    with transaction():
        register_three(vault, business_id)
        add_deliveries([*_of_the_first(), *_of_the_second()])
        tick()


def _of_the_first() -> Iterator[Stored]:
    """Up to four deliveries an hour, for a day; all arrived."""
    number = 0
    for hours_ago in range(23, 0, -1):
        for minute in range(hours_ago % 5):
            number += 1
            at = NOON - hours_ago * HOUR + minute * MINUTE
            event = SELECTABLE[number % len(SELECTABLE)]
            yield stored(number, CI, event, Status.DELIVERED, at, OK)


def _of_the_second() -> Iterator[Stored]:
    """It went well until four hours ago."""
    for number, hours_ago in enumerate((9, 7, 5), start=100):
        at = NOON - hours_ago * HOUR
        yield stored(number, PAY, SELECTABLE[0], Status.DELIVERED, at, OK)
    at = NOON - 4 * HOUR
    yield stored(110, PAY, SELECTABLE[1], Status.ABANDONED, at, *[REFUSED] * 5)
    yield stored(111, PAY, SELECTABLE[0], Status.ABANDONED, at + HOUR, *[UPSTREAM] * 5)
    due = NOON + 2 * MINUTE
    yield stored(112, PAY, SELECTABLE[0], Status.FAILED, NOON - HOUR, *[UPSTREAM] * 3, due_at=due)
    waiting = NOON - 2 * SECOND
    yield stored(113, PAY, SELECTABLE[0], Status.PENDING, waiting, due_at=waiting)


def abandoned_in_outage(recovery: Recovery) -> None:
    """Make the first delivery that PAY abandoned one that an outage of it had to do with."""
    with transaction():
        which = Delivery.uuid == uuid_of(110)
        Delivery.update(recovery=recovery).where(which).execute()
        if recovery is Recovery.MADE:
            delivery = Delivery.get(which)
            Delivery.update(status=Status.DELIVERED, attempts=1).where(which).execute()
            Attempt.create(
                delivery=delivery.id,
                number=1,
                recovery=True,
                started_at=NOON - HOUR,
                duration_us=143_000,
                http_status=200,
                response='{"ok":true}',
            )


def tick(at: datetime = NOON) -> None:
    LastRun.insert(job=f"{TICK} 1", at=at).execute()


def forget_the_past() -> None:
    """Leave the audit trail empty."""
    AuditEntry.delete().execute()


async def quiet(pilot: Pilot[None]) -> None:
    """Until the screen on top has asked all it has to ask and drawn the answers."""
    for _ in range(2):  # what is drawn may ask too
        await _all_is_handled()
        while pilot.app.workers:
            await pilot.app.workers.wait_for_complete()
            await _all_is_handled()
        pilot.app.screen._on_timer_update()  # draws


async def at_rest(pilot: Pilot[None]) -> None:
    """Until what the cursor is on has been read too, once that has stood still for long enough."""
    page = pilot.app.screen
    if isinstance(page, ListPage):
        await until(lambda: page.is_at_rest)
    await quiet(pilot)


async def _all_is_handled() -> None:
    """Until the event loop has nothing left to do but wait. `Pilot.pause` guesses that, by how
    little is computed in 20 ms: that takes long, and on a busy machine it is wrong.
    """
    loop = asyncio.get_running_loop()
    await until(lambda: not loop._ready, pause=lambda: asyncio.sleep(0))


def keys(*pressed: str | tuple[str, ...]) -> Callable[[Pilot[None]], Awaitable[None]]:
    """What to do before a snapshot: press these, each once the one before has been answered."""

    async def script(pilot: Pilot[None]) -> None:
        await quiet(pilot)
        await press(pilot, *pressed)

    return script


def typed(text: str) -> tuple[str, ...]:
    """The keys that type it."""
    return tuple(_KEYS.get(character, character) for character in text)


_KEYS = {
    ":": "colon",
    "/": "slash",
    ".": "full_stop",
    "-": "minus",
    " ": "space",
    "@": "at",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "_": "underscore",
    "|": "vertical_line",
    ">": "greater_than_sign",
    "=": "equals_sign",
}


class OnePage(WebhooksApp):
    """The app with one page on top of a business, whichever way an owner would get there."""

    def __init__(self, desk: Desk, make_page: Callable[[], Page]) -> None:
        super().__init__(desk)
        self.make_page = make_page

    def first_page(self) -> Page:
        self.business_id, self.business_name = 1, "Chez Marie"
        return self.make_page()


def play(
    app: WebhooksApp,
    script: Callable[[Pilot[None]], Awaitable[None]],
    size: tuple[int, int] = (80, 24),
    *,
    at_the_top: bool = True,
) -> None:
    """Run the app with somebody at its keys, and with the cursor in the list's first row."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await quiet(pilot)
            if at_the_top and isinstance(app.screen, Webhooks):
                await press(pilot, "g")
            await script(pilot)

    asyncio.run(run())


async def press(pilot: Pilot[None], *pressed: str | tuple[str, ...]) -> None:
    """Press these, each once the one before has been answered; a text all at once."""
    for key in pressed:
        await pilot.press(*([key] if isinstance(key, str) else key))
        await quiet(pilot)


def send_key(app: App[None], key: str) -> None:
    """As a terminal sends it, which waits for no answer as `Pilot.press` does."""
    event = Key(key, key if len(key) == 1 else None)
    event.set_sender(app)
    assert app._driver is not None
    app._driver.send_message(event)


def drawn(app: WebhooksApp) -> str:
    """What is on the screen, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def says(app: WebhooksApp, text: str) -> bool:
    """Whether that is on the screen, however its lines are broken."""
    return text in " ".join(drawn(app).split())


def crumbs_of(app: WebhooksApp) -> str:
    return drawn(app).splitlines()[0].strip()
