"""`delivery …` and `recover`: the history, and sending again."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from core.domain.delivery import BESIDE, Status
from core.domain.events import EventType
from core.storage.clock import utc_now
from core.use_cases import queries, services
from core.use_cases.deliveries import AttemptRow, DeliveryRow
from core.use_cases.queries import Wanted
from tui.cli.moments import TIME_HELP, parse_moment
from tui.cli.output import print_json, print_table, say, say_how_to_chat
from tui.cli.program import (
    Program,
    actor_as,
    as_option,
    business_option,
    choose_business,
    json_option,
    pass_program,
)
from tui.failures import explain

_PREVIEW = 60  # characters of a response in a listing


@click.group()
def delivery() -> None:
    """List and show deliveries, and send one again."""


@delivery.command("list")
@click.option("--webhook", "webhook_id", type=int, metavar="ID", help="Of this webhook only.")
@click.option(
    "--status",
    "statuses",
    type=click.Choice([each.value for each in Status]),
    multiple=True,
    metavar="STATUS",
    help="pending, failed, delivered or abandoned; may be repeated.",
)
@click.option(
    "--event",
    type=click.Choice([each.value for each in EventType]),
    metavar="EVENT",
    help="Of this event only.",
)
@click.option("--since", metavar="T", help=TIME_HELP)
@click.option("--limit", type=click.IntRange(1, 10_000), default=queries.HISTORY_LENGTH)
@business_option
@as_option
@json_option
@pass_program
def list_deliveries(
    program: Program,
    webhook_id: int | None,
    statuses: tuple[str, ...],
    event: str | None,
    since: str | None,
    limit: int,
    business_id: int | None,
    login: str | None,
    *,
    as_json: bool,
) -> None:
    """The latest deliveries, newest first."""
    program.open()
    actor = actor_as(login)
    wanted = Wanted(
        frozenset(map(Status, statuses)),
        EventType(event) if event is not None else None,
        since=parse_moment(since, utc_now()) if since is not None else None,
    )
    if webhook_id is not None:
        rows = queries.deliveries(actor, webhook_id, limit, wanted=wanted)
    else:
        business = choose_business(actor, business_id)
        rows = queries.deliveries_of_business(actor, business, limit, wanted=wanted)
    empty = (
        "No deliveries yet: send a test with `aurapos-webhooks webhook test ID`."
        if wanted == queries.ALL
        else "No delivery is like that."
    )
    print_deliveries(rows, empty, as_json=as_json)


def print_deliveries(rows: list[DeliveryRow], empty: str, *, as_json: bool) -> None:
    if as_json:
        print_json([_shape(row) for row in rows])
        return
    print_table(
        (
            *("DATE (UTC)", "WEBHOOK", "EVENT", "STATUS", "HTTP", "TRIES", "NEXT (UTC)"),
            *("DELIVERY", "RESPONSE"),
        ),
        [
            (
                row.created_at,
                row.webhook_id,
                row.what,
                row.status,
                row.http_status or row.error,
                row.attempts,
                next_of(row),
                row.uuid,
                (row.response or row.detail)[:_PREVIEW],
            )
            for row in rows
        ],
        empty,
    )


def next_of(row: DeliveryRow) -> datetime | str | None:
    """What a listing says of when its next attempt is."""
    return "parked" if row.is_parked else row.next_attempt_at


@delivery.command(short_help="One delivery: every attempt, and its body.")
@click.argument("delivery_id")
@as_option
@json_option
@pass_program
def show(program: Program, delivery_id: str, login: str | None, *, as_json: bool) -> None:
    """One delivery: every attempt, what the last one means, and the body as it is sent."""
    program.open()
    actor = actor_as(login)
    detail = queries.delivery(actor, delivery_id)
    body = detail.body.decode("utf-8", "replace")
    if as_json:
        attempts = [_attempt_shape(attempt) for attempt in detail.attempts]
        print_json({**_shape(detail.delivery), "attempt_log": attempts, "body": body})
        return
    row = detail.delivery
    say(f"delivery {row.uuid}: {row.what} to webhook {row.webhook_id}, {row.status}")
    if row.next_attempt_at is not None:
        say(f"next attempt at {row.next_attempt_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC")
    if row.is_parked:
        say(
            f"parked: webhook {row.webhook_id} is paused, and "
            f"`aurapos-webhooks webhook resume {row.webhook_id}` sends it"
        )
    print_table(
        ("TRY", "STARTED (UTC)", "MS", "HTTP", "RESPONSE"),
        [
            (
                _try_of(attempt),
                attempt.started_at,
                attempt.duration_us // 1000,
                attempt.http_status or attempt.error,
                attempt.response or attempt.detail,
            )
            for attempt in detail.attempts
        ],
        "No attempt has ended yet.",
    )
    webhook = queries.webhook(actor, row.webhook_id)
    explanation = explain(row, webhook, program.config.delivery.timeout.total_seconds())
    if explanation:
        say(explanation)
    fmt = webhook.choices.format
    say_how_to_chat(webhook.id, webhook.url, fmt, row.http_status, row.response)
    say(f"body: {body}")


def _try_of(attempt: AttemptRow) -> str:
    if attempt.number == BESIDE:
        return "by hand"
    return f"{attempt.number} again" if attempt.recovery else str(attempt.number)


@delivery.command()
@click.argument("delivery_id")
@as_option
@pass_program
def redeliver(program: Program, delivery_id: str, login: str | None) -> None:
    """Send a delivery again, with the same id."""
    program.open()
    services.redeliver(actor_as(login), delivery_id, utc_now(), wake=program.wake)
    say(f"Delivery {delivery_id} is queued again.")


@click.command()
@click.option(
    "--since",
    required=True,
    metavar="T",
    help=TIME_HELP,
)
@click.option("--webhook", "webhook_id", type=int, metavar="ID", help="Of this webhook only.")
@business_option
@as_option
@json_option
@pass_program
def recover(
    program: Program,
    since: str,
    webhook_id: int | None,
    business_id: int | None,
    login: str | None,
    *,
    as_json: bool,
) -> None:
    """Queue again everything that was abandoned since T."""
    program.open()
    actor, now = actor_as(login), utc_now()
    recovered = services.recover(
        actor,
        choose_business(actor, business_id),
        parse_moment(since, now),
        now,
        webhook_id=webhook_id,
        wake=program.wake,
    )
    if as_json:
        print_json({"recovered": recovered})
        return
    say(f"{recovered} abandoned deliveries are queued again.")


def _shape(row: DeliveryRow) -> dict[str, Any]:
    return {
        "delivery_id": row.uuid,
        "webhook_id": row.webhook_id,
        "event": row.event,
        "status": row.status,
        "http_status": row.http_status,
        "attempts": row.attempts,
        "response": row.response,
        "error": row.error,
        "detail": row.detail,
        "created_at": row.created_at,
        "next_attempt_at": row.next_attempt_at,
        "recovery": row.recovery,
        "purpose": row.purpose,
    }


def _attempt_shape(row: AttemptRow) -> dict[str, Any]:
    duration = timedelta(microseconds=row.duration_us)
    return {**asdict(row), "duration_ms": duration / timedelta(milliseconds=1)}
