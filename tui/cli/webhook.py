"""`webhook …`: what the terminal UI does, for scripts."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from functools import wraps
from itertools import chain
from typing import Any

import click

from core.domain.choices import AS_IT_COMES, Chosen, Format, changes
from core.domain.conditions import split_conditions
from core.domain.events import MEANINGS, SELECTABLE
from core.domain.language import Language
from core.domain.own_headers import OwnHeader, parse_headers
from core.domain.pace import check_pace
from core.domain.receivers import advice_before
from core.errors import BadInput, WebhooksError
from core.storage.clock import utc_now
from core.use_cases import queries, services, trials
from core.use_cases.queries import WebhookRow
from tui.cli.checking import check
from tui.cli.output import give_up_stdout, print_json, print_table, say, say_how_to_chat
from tui.cli.program import (
    Program,
    actor_as,
    as_option,
    business_option,
    choose_business,
    json_option,
    pass_program,
)
from tui.cli.reading import opened

_A_DAY = timedelta(days=1)
_SHOWN_ONCE = "This is the only time the secret is shown: store it in your server now."
_MOST_HEADERS_READ = 1 << 16  # bytes
_event_option = click.option(
    "--event",
    "events",
    multiple=True,
    metavar="EVENT",
    help="An event to be told about, repeatable: " + ", ".join(SELECTABLE) + ".",
)
_all_option = click.option("--all-events", is_flag=True, help="All seven events.")


def _on_or_off(text: str) -> bool:
    return ("off", "on").index(text) == 1


def _own_headers(lines: Iterable[str]) -> tuple[OwnHeader, ...]:
    """Those given, and where one is `-` the lines of stdin in its place."""
    parts = (_lines_of_stdin() if line == "-" else [line] for line in lines)
    return parse_headers(chain.from_iterable(parts))


def _lines_of_stdin() -> list[str]:
    with opened("-") as source:
        text = source.read(_MOST_HEADERS_READ).decode("utf-8", "replace")
    return [line for line in text.split("\n") if line.strip()]


_HEADERS = (
    "A header of your own, as `Name: value`, repeatable: they replace those it has, and a name "
    "without a value keeps its value. `-` reads such lines from stdin, unseen by others."
)
_NONE = "none"  # takes a choice back
_NOT_GIVEN = (None, ())
_CHOICES: Mapping[str, tuple[Callable[[Any], object], str]] = {
    "name": (str, "What you call it, shown before its address."),
    "format": (Format, "What it is sent: `json` for programs, `chat` for one line people read."),
    "language": (Language, "Of the chat line: `en`, `fr` or `nl`."),
    "standard_webhooks": (_on_or_off, "The headers of Standard Webhooks too: `on` or `off`."),
    "headers": (_own_headers, _HEADERS),
    "only": (
        lambda lines: list(chain.from_iterable(map(split_conditions, lines))),
        "Only events whose payload meets this: 'total_tvac >= 100'; repeatable, all must hold.",
    ),
    "pace": (check_pace, "At most so many, evenly spread: `2/s`, `30/min`, `100/h`."),
    "alerts": (_on_or_off, "Tell it when another of your webhooks fails: `on` or `off`."),
}
"""What one webhook may choose: how each is read, and what it is."""


_REPEATED = {"headers": "--header", "only": "--only"}
"""The options that are given several times, and are read together."""


def _choice_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each choice; the command gets those that were given as `chosen`."""

    @wraps(command)
    def with_chosen(**given: Any) -> None:
        values = {name: given.pop(name) for name in _CHOICES}
        chosen = {
            name: _choice(name, value) for name, value in values.items() if value not in _NOT_GIVEN
        }
        command(**given, chosen=chosen)

    for name, (_, meaning) in reversed(list(_CHOICES.items())):
        option = click.option(_option(name), name, multiple=name in _REPEATED, help=meaning)
        with_chosen = option(with_chosen)
    return with_chosen


def _option(name: str) -> str:
    return _REPEATED.get(name) or f"--{name.replace('_', '-')}"


def _choice(name: str, given: str | tuple[str, ...]) -> object:
    if given in {_NONE, (_NONE,)}:
        return getattr(AS_IT_COMES, name)
    read, meaning = _CHOICES[name]
    try:
        return read(given)
    except ValueError:
        raise BadInput(f'{_option(name)} cannot be "{given}". {meaning}') from None


@click.group(short_help="List, show, create, edit, pause, delete and test webhooks.")
def webhook() -> None:
    """List, show, create, edit, pause, delete, test, check webhooks; regenerate their secrets."""


@webhook.command("list")
@business_option
@as_option
@json_option
@pass_program
def list_webhooks(
    program: Program, business_id: int | None, login: str | None, *, as_json: bool
) -> None:
    """A business's webhooks."""
    program.open()
    actor = actor_as(login)
    rows = queries.webhooks(actor, choose_business(actor, business_id))
    if as_json:
        print_json([_document(row) for row in rows])
        return
    print_table(
        ("WEBHOOK", "CREATED (UTC)", "EVENTS", "STATE", "NAME", "URL"),
        [
            (
                *(row.id, row.created_at, f"{len(row.events)}/{len(SELECTABLE)}"),
                *(_state(row), row.choices.name or None, row.url),
            )
            for row in rows
        ],
        "No webhooks yet: make one with `aurapos-webhooks webhook create URL --event EVENT`.",
    )


@webhook.command(short_help="Show a webhook, and what it chose.")
@click.argument("webhook_id", type=int)
@as_option
@json_option
@pass_program
def show(program: Program, webhook_id: int, login: str | None, *, as_json: bool) -> None:
    """Show its URL, its events, its choices and whether it is paused."""
    program.open()
    actor = actor_as(login)
    row = queries.webhook(actor, webhook_id)
    kept_back = trials.kept_back(actor, webhook_id, utc_now() - _A_DAY)
    if as_json:
        print_json(_document(row) | {"kept_back": kept_back})
        return
    _print_webhook(row)
    if row.choices.only:
        say(f"Kept back by its conditions in the last 24 hours: {kept_back}.")


def _document(row: WebhookRow) -> dict[str, object]:
    """What scripts get of a webhook, its choices among the rest."""
    return {name: value for name, value in asdict(row).items() if name != "choices"} | asdict(
        row.choices
    )


def _state(row: WebhookRow) -> str:
    return "paused" if row.paused_at is not None else "on"


def _print_webhook(row: WebhookRow) -> None:
    name = f"{row.choices.name} · " if row.choices.name else ""
    say(f"webhook {row.id}: {name}{row.url}")
    if row.paused_at is not None:
        say(f"paused since {row.paused_at:%Y-%m-%d %H:%M} UTC: {row.parked} parked")
    if row.held_until is not None and row.held_until > utc_now():
        say(f"held until {row.held_until:%Y-%m-%d %H:%M:%S} UTC: its receiver asked for it")
    unnamed = replace(row.choices, name="")
    if unnamed != AS_IT_COMES:
        say(f"chosen: {changes(AS_IT_COMES, unnamed)}")
    print_table(("EVENT", "WHEN"), [(event, MEANINGS[event]) for event in row.events], "")


@webhook.command()
@click.argument("url")
@_event_option
@_all_option
@_choice_options
@business_option
@as_option
@json_option
@pass_program
def create(
    program: Program,
    url: str,
    events: tuple[str, ...],
    business_id: int | None,
    login: str | None,
    *,
    all_events: bool,
    chosen: Chosen,
    as_json: bool,
) -> None:
    """Register URL for some events; prints its secret, once."""
    program.open()
    actor = actor_as(login)
    new = services.create_webhook(
        actor,
        choose_business(actor, business_id),
        url,
        SELECTABLE if all_events else events,
        utc_now(),
        policy=program.policy,
        vault=program.vault(),
        at_most=program.config.limits.webhooks,
        chosen=chosen,
    )
    with _told_or_lost(new.id):
        if as_json:
            print_json(
                {
                    "id": new.id,
                    "url": new.url,
                    "events": new.events,
                    "secret": new.secret.reveal(),
                    "created_at": new.created_at,
                }
            )
            return
        say(f"webhook {new.id}: {new.url}")
        say(f"secret: {new.secret.reveal()}")
        say(_SHOWN_ONCE)
    if known := advice_before(new.url, new.choices.format):
        say(known)
    say_how_to_chat(new.id, new.url, new.choices.format)


@webhook.command()
@click.argument("webhook_id", type=int)
@click.option("--url", help="The new URL.")
@_event_option
@_all_option
@_choice_options
@as_option
@json_option
@pass_program
def edit(
    program: Program,
    webhook_id: int,
    url: str | None,
    events: tuple[str, ...],
    login: str | None,
    *,
    all_events: bool,
    chosen: Chosen,
    as_json: bool,
) -> None:
    """Change its URL, its events or its choices.

    `none` takes a choice back.
    """
    program.open()
    actor = actor_as(login)
    selected = SELECTABLE if all_events else events or None
    if url is None and selected is None and not chosen:
        raise BadInput("Say what to change: --url URL, --event EVENT, --name NAME …; see --help.")
    services.edit_webhook(
        *(actor, webhook_id, utc_now()),
        url=url,
        events=selected,
        policy=program.policy,
        chosen=chosen,
        open_vault=program.vault,
    )
    row = queries.webhook(actor, webhook_id)
    if as_json:
        print_json(_document(row))
        return
    _print_webhook(row)
    say_how_to_chat(row.id, row.url, row.choices.format)


@webhook.command()
@click.argument("webhook_id", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_option
@pass_program
def delete(program: Program, webhook_id: int, login: str | None, *, yes: bool) -> None:
    """Delete a webhook, its secret and its history. This is final."""
    program.open()
    actor = actor_as(login)
    row = queries.webhook(actor, webhook_id)
    if not yes:
        say(f"This deletes webhook {row.id} ({row.url}), its secret and its history, for good.")
        typed = click.prompt("Type its URL to confirm", default="", show_default=False)
        if typed != row.url:
            raise BadInput("That is not its URL: nothing was deleted.")
    services.delete_webhook(actor, webhook_id, utc_now())
    say(f"Webhook {webhook_id} is deleted: nothing more is sent to {row.url}.")


@webhook.command(short_help="Queue a ping, or a sample of an event, for this webhook.")
@click.argument("webhook_id", type=int)
@click.option(
    "--event",
    metavar="EVENT",
    help="Send a sample of this event instead of a ping. Its payload is what `events show EVENT` "
    'shows, with "sample": true before it.',
)
@as_option
@json_option
@pass_program
def test(
    program: Program, webhook_id: int, event: str | None, login: str | None, *, as_json: bool
) -> None:
    """Queue a ping for this webhook, or a sample of an event, whatever events it selected.

    A server that does not look at "sample": true takes a sample for a real sale.
    """
    program.open()
    actor, now = actor_as(login), utc_now()
    if event is None:
        event_id = services.send_test(actor, webhook_id, now, wake=program.wake)
    else:
        event_id = services.send_sample(actor, webhook_id, event, now, wake=program.wake)
    if as_json:
        print_json({"event_id": event_id})
        return
    what = "ping" if event is None else f"sample of {event}"
    say(
        f"A {what} for webhook {webhook_id} is queued: "
        f"see `aurapos-webhooks delivery list --webhook {webhook_id}`."
    )


@webhook.command(short_help="Send it nothing but tests for now.")
@click.argument("webhook_id", type=int)
@as_option
@pass_program
def pause(program: Program, webhook_id: int, login: str | None) -> None:
    """Send this webhook nothing but tests; what happens meanwhile waits until it is resumed."""
    program.open()
    if services.pause_webhook(actor_as(login), webhook_id, utc_now()):
        say(
            f"Webhook {webhook_id} is paused: what happens meanwhile is parked. "
            f"`aurapos-webhooks webhook resume {webhook_id}` sends it."
        )
    else:
        say(f"Webhook {webhook_id} was paused already.")


@webhook.command(short_help="Send what was parked in a pause.")
@click.argument("webhook_id", type=int)
@as_option
@pass_program
def resume(program: Program, webhook_id: int, login: str | None) -> None:
    """Send what was parked while this webhook was paused, the oldest first."""
    program.open()
    if services.resume_webhook(actor_as(login), webhook_id, utc_now(), wake=program.wake):
        say(f"Webhook {webhook_id} is resumed: what was parked goes out now, the oldest first.")
    else:
        say(f"Webhook {webhook_id} was not paused.")


webhook.add_command(check)


@webhook.command("regenerate-secret", short_help="Make a new secret and print it, once.")
@click.argument("webhook_id", type=int)
@as_option
@json_option
@pass_program
def regenerate_secret(
    program: Program, webhook_id: int, login: str | None, *, as_json: bool
) -> None:
    """Make a new secret and print it, once; the old one signs nothing any more."""
    program.open()
    secret = services.regenerate_secret(
        actor_as(login), webhook_id, utc_now(), vault=program.vault()
    )
    with _told_or_lost(webhook_id):
        if as_json:
            print_json({"id": webhook_id, "secret": secret.reveal()})
            return
        say(f"secret: {secret.reveal()}")
        say(_SHOWN_ONCE)


@contextmanager
def _told_or_lost(webhook_id: int) -> Iterator[None]:
    """For what prints a secret: where that fails, its webhook has one that nobody knows."""
    try:
        yield
        sys.stdout.flush()
    except (AttributeError, OSError, ValueError):  # full, gone, or closed from the beginning
        give_up_stdout()
        raise WebhooksError(
            f"The secret of webhook {webhook_id} could not be printed and is lost: make another "
            f"with `aurapos-webhooks webhook regenerate-secret {webhook_id}`."
        ) from None
