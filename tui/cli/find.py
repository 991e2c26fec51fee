"""`find`: what became of an event, by the name that a person has for it."""

from typing import Any

import click

from core.use_cases.finding import FoundEvent
from core.use_cases.finding import find as find_events
from core.use_cases.queries import WentTo
from tui.cli.delivery import next_of
from tui.cli.output import print_json, print_table
from tui.cli.program import (
    Program,
    actor_as,
    as_option,
    business_option,
    choose_business,
    json_option,
    pass_program,
)
from tui.failures import titled


@click.command()
@click.argument("text")
@business_option
@as_option
@json_option
@pass_program
def find(
    program: Program, text: str, business_id: int | None, login: str | None, *, as_json: bool
) -> None:
    """Find an event: where it went and what came of it.

    TEXT is a ticket's number, the key or id of an event, or the id of a delivery, of which the
    first 13 characters suffice.
    """
    program.open()
    actor = actor_as(login)
    found = find_events(actor, choose_business(actor, business_id), text)
    print_found(found, text, as_json=as_json)


def print_found(found: list[FoundEvent], text: str, *, as_json: bool) -> None:
    if as_json:
        print_json([_shape(event) for event in found])
        return
    print_table(
        ("EVENT", "DATE (UTC)", "SUBJECT", "WEBHOOK", "STATUS", "TRIES", "NEXT (UTC)", "DELIVERY"),
        [line for event in found for line in _lines(event)],
        f"Nothing was found for {text!r}: it is looked for exactly, not by a part of it.",
    )


def _lines(event: FoundEvent) -> list[tuple[Any, ...]]:
    """One for each webhook it went to; one that says so where it went to none."""
    told = (event.event, event.created_at, event.subject)
    if not event.deliveries:
        nowhere = "to no webhook" if event.is_fanned_out else "waits to go out"
        return [(*told, nowhere, None, None, None, None)]
    return [(*told, *_line(to)) for to in event.deliveries]


def _line(to: WentTo) -> tuple[Any, ...]:
    row = to.delivery
    return titled(to.webhook), row.status, row.attempts, next_of(row), row.uuid


def _shape(event: FoundEvent) -> dict[str, Any]:
    return {
        "event_id": event.id,
        "event": event.event,
        "subject": event.subject,
        "created_at": event.created_at,
        "deliveries": [
            {
                "webhook_id": to.webhook.id,
                "url": to.webhook.url,
                "delivery_id": to.delivery.uuid,
                "status": to.delivery.status,
                "attempts": to.delivery.attempts,
                "next_attempt_at": to.delivery.next_attempt_at,
            }
            for to in event.deliveries
        ],
    }
