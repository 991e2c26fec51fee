"""`events …`: what events there are, and what is in each."""

import json

import click

from core.domain.catalogue import CATALOGUE, CatalogueEntry, fields
from core.domain.events import EventType
from tui.cli.output import print_json, print_table, say
from tui.cli.program import json_option


@click.group()
def events() -> None:
    """List the events there are, and show what is in one."""


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
@click.argument("event", type=click.Choice([each.value for each in CATALOGUE]))
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
