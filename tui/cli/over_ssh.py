"""`ssh`: what a key asked sshd for: a place in the UI, or an answer for its own businesses."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

import click

from core.domain.actors import Actor
from core.errors import NotAllowed, NotFound
from core.storage.clock import utc_now
from core.use_cases import membership, queries
from core.use_cases.export import export
from core.use_cases.finding import find
from core.use_cases.membership import BusinessRow
from core.use_cases.webhook_health import Health, overview
from tui.cli import ssh_grammar
from tui.cli.delivery import print_deliveries
from tui.cli.exporting import Format, Layout, parse_span, write_export
from tui.cli.find import print_found
from tui.cli.output import print_json, print_table, say
from tui.cli.program import Program, actor_as, pass_program
from tui.cli.ssh_grammar import Asked, NotInGrammar
from tui.cli.terminal import is_on_terminal, tui
from tui.desk import Place
from tui.failures import titled


@dataclass(frozen=True, slots=True)
class _Session:
    """Who asks; rights are read anew whenever something is read."""

    login: str
    fingerprint: str

    @property
    def actor(self) -> Actor:
        return actor_as(self.login, f"ssh {self.fingerprint}")

    def check(self) -> None:
        """Raise NotAllowed unless the key is still this login's and may still ask."""
        key = membership.find_key(self.fingerprint)
        if key is None or key.login != self.login or not key.may_export:
            raise NotAllowed("This key may not do that: ask whoever runs AuraPOS Webhooks.")

    def businesses(self) -> list[BusinessRow]:
        """Those that it owns; raises NotFound where there is none."""
        self.check()
        rows = membership.businesses(self.actor)
        if not rows:
            raise NotFound("There is no business here that you own.")
        return rows


@click.command(short_help="For sshd: open the UI where a key asks for, or answer it.")
@click.option("--as", "login", metavar="LOGIN", required=True, help="Whose key it is.")
@click.option("--key", metavar="FINGERPRINT", required=True, help="Which key it is.")
@click.option("--ui-only", is_flag=True, help="The key may open the terminal UI and no more.")
@click.pass_context
def ssh(ctx: click.Context, login: str, key: str, *, ui_only: bool) -> None:
    """For sshd: open the UI where a key asks for, or answer what one that may export asks.

    It stands in SSH_ORIGINAL_COMMAND: find TEXT, open ID or activity, with a terminal; export,
    history ID, find TEXT or status. Without one the UI opens at its list.
    """
    asked = _asked(os.environb.get(b"SSH_ORIGINAL_COMMAND", b""), ui_only=ui_only)
    place = _place(asked)
    if ui_only or place is not None:
        at = asdict(place or Place())  # the options of `tui` are called the same
        read_only = ssh_grammar.READ_ONLY in asked.options
        ctx.invoke(tui, login=login, key=key, business_id=None, read_only=read_only, **at)
    else:
        ctx.invoke(_answer, session=_Session(login, key), asked=asked)


def _asked(raw: bytes, *, ui_only: bool) -> Asked:
    """What it is; of a key that may open the UI alone, whatever is no place in it is nothing."""
    try:
        return ssh_grammar.parse(raw) if raw else _NOTHING
    except NotInGrammar:
        if ui_only:
            return _NOTHING
        click.echo(ssh_grammar.USAGE, err=True)
        sys.exit(2)


def _place(asked: Asked) -> Place | None:
    """Where the UI is to open; None where what was asked is answered without one."""
    match asked:
        case Asked(word=""):
            return Place()
        case Asked(word="activity"):
            return Place(activity=True)
        case Asked(word="open", argument=number) if number.isdecimal():
            return Place(int(number), only_failed=ssh_grammar.FAILED in asked.options)
        case Asked(word="open", argument=delivery_id):
            return Place(delivery_id=delivery_id)
        case Asked(word="find", argument=text) if is_on_terminal() and not asked.as_json:
            return Place(find=text)
    return None


_NOTHING = Asked("")


@pass_program
def _answer(program: Program, session: _Session, asked: Asked) -> None:
    program.open()
    session.check()
    _ANSWERS[asked.word](session, asked, utc_now())


def _export(session: _Session, asked: Asked, now: datetime) -> None:
    given = {name.removeprefix("--"): value for name, value in asked.options.items()}
    chosen = Format(given.pop("format", Format.NDJSON))
    span = parse_span(now, **given)
    ids = [business.id for business in session.businesses()]
    layout = Layout(
        chosen,
        with_delivery=span.undelivered is not None,
        with_business=len(ids) > 1,
    )
    write_export(export(session.actor, ids, span, now, check=session.check), layout)


def _history(session: _Session, asked: Asked, _: datetime) -> None:
    rows = queries.deliveries(session.actor, int(asked.argument))
    print_deliveries(rows, "No deliveries yet.", as_json=asked.as_json)


def _find(session: _Session, asked: Asked, _: datetime) -> None:
    found = [
        event
        for business in session.businesses()
        for event in find(session.actor, business.id, asked.argument)
    ]
    print_found(found, asked.argument, as_json=asked.as_json)


def _status(session: _Session, asked: Asked, now: datetime) -> None:
    """Of these businesses alone: what the machine does is its operator's."""
    each = [
        (business, overview(session.actor, business.id, now).webhooks)
        for business in session.businesses()
    ]
    if asked.as_json:
        print_json([_shape(business, webhooks) for business, webhooks in each])
        return
    for business, webhooks in each:
        is_off = "" if business.included else ": webhooks are switched off, nothing is sent"
        say(f"{business.name}{is_off}")
        print_table(
            ("WEBHOOK", "STATE", "LAST 24 H", "NOT DELIVERED", "NEXT (UTC)", "URL"),
            [_line(health) for health in webhooks],
            "No webhooks yet.",
        )


def _line(health: Health) -> tuple[object, ...]:
    return (
        health.webhook.id,
        health.state,
        sum(hour.total for hour in health.hours),
        sum(hour.not_delivered for hour in health.hours),
        health.next_attempt_at,
        titled(health.webhook),
    )


def _shape(business: BusinessRow, webhooks: tuple[Health, ...]) -> dict[str, object]:
    return {
        "business_id": business.id,
        "name": business.name,
        "included": business.included,
        "webhooks": [
            {
                "id": health.webhook.id,
                "url": health.webhook.url,
                "state": health.state,
                "failed_in_a_row": health.failed_in_a_row,
                "last_24_hours": sum(hour.total for hour in health.hours),
                "not_delivered": sum(hour.not_delivered for hour in health.hours),
                "next_attempt_at": health.next_attempt_at,
            }
            for health in webhooks
        ],
    }


_ANSWERS: Mapping[str, Callable[[_Session, Asked, datetime], None]] = {
    "export": _export,
    "find": _find,
    "history": _history,
    "status": _status,
}
