"""`events …`: what events there are, what is in each, and what was published."""

import json

import click

from core.domain.catalogue import CATALOGUE, CatalogueEntry, fields
from core.domain.events import SELECTABLE, EventType
from core.storage.clock import utc_now
from core.use_cases.export import export
from tui.cli.exporting import Format, Layout, parse_span, write_export
from tui.cli.moments import TIME_HELP
from tui.cli.output import print_json, print_table, say
from tui.cli.program import (
    Program,
    actor_as,
    as_option,
    business_option,
    choose_business,
    json_option,
    pass_program,
)


@click.group()
def events() -> None:
    """List events, show what is in one, export them."""


@events.command("list")
@json_option
def list_events(*, as_json: bool) -> None:
    """The events a webhook can select, and when each is published."""
    entries = CATALOGUE.values()
    if as_json:
        print_json([{"event": each.event_type, "meaning": each.meaning} for each in entries])
        return
    print_table(("EVENT", "WHEN"), [(each.event_type, each.meaning) for each in entries], "")


@events.command(short_help="What is in an event: an example, and its JSON Schema.")
@click.argument("event", metavar="EVENT", type=click.Choice([each.value for each in CATALOGUE]))
@click.option("--schema", is_flag=True, help="Print the payload's JSON Schema and nothing else.")
@json_option
def show(event: str, *, schema: bool, as_json: bool) -> None:
    """What EVENT means, what is in its payload, and an example of one."""
    entry = CATALOGUE[EventType(event)]
    if schema:
        click.echo(json.dumps(entry.schema, indent=2))
    elif as_json:
        print_json(_shape(entry))
    else:
        _print_entry(entry)


def _shape(entry: CatalogueEntry) -> dict[str, object]:
    return {
        "event": entry.event_type,
        "meaning": entry.meaning,
        "example": json.loads(entry.example),
        "schema": entry.schema,
    }


def _print_entry(entry: CatalogueEntry) -> None:
    say(f"{entry.event_type}: {entry.meaning}")
    click.echo()
    print_table(("FIELD OF THE PAYLOAD", "IS"), fields(entry.schema), "")
    click.echo()
    say("An example of the payload:")
    click.echo(entry.example)


@events.command("export", short_help="Everything that was published, in order, as NDJSON or CSV.")
@click.option("--since", metavar="T", help=TIME_HELP)
@click.option("--until", metavar="T", help="Up to then; as --since.")
@click.option("--after", metavar="CURSOR", help="What follows the line with this cursor.")
@click.option(
    "--event",
    type=click.Choice([each.value for each in SELECTABLE]),
    metavar="EVENT",
    help="Of this event only.",
)
@click.option(
    "--undelivered",
    type=int,
    metavar="WEBHOOK",
    help="Only what this webhook has never answered with a 2xx, with the delivery's id and status.",
)
@click.option(
    "--format",
    "chosen",
    type=click.Choice([each.value for each in Format]),
    default=Format.NDJSON.value,
    show_default=True,
    help="One JSON object a line, or a table for a spreadsheet.",
)
@business_option
@as_option
@pass_program
def export_events(
    program: Program,
    since: str | None,
    until: str | None,
    after: str | None,
    event: str | None,
    undelivered: int | None,
    *,
    chosen: str,
    business_id: int | None,
    login: str | None,
) -> None:
    """Everything that was published since T, or after a line you have, in order.

    A line's cursor given with --after goes on from there: nothing is left out, nothing comes twice.
    It ends before the oldest transaction that is still open.
    """
    program.open()
    actor, now = actor_as(login), utc_now()
    span = parse_span(
        now, since=since, until=until, after=after, event=event, undelivered=undelivered
    )
    businesses = [] if undelivered is not None else [choose_business(actor, business_id)]
    layout = Layout(Format(chosen), with_delivery=undelivered is not None)
    write_export(export(actor, businesses, span, now), layout)
