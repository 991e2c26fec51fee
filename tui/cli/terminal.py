"""`tui`: the terminal UI, for an owner over SSH or for whoever holds the database."""

import logging
import os
import shlex
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import click
from peewee import PeeweeException

from core.config import DEFAULT_CONFIG, DeliveryConfig, HistoryConfig
from core.domain.editions import INCLUDED_EDITIONS, Edition
from core.domain.language import N_, Language
from core.errors import WebhooksError
from core.storage.clock import utc_now
from core.storage.database import sqlite_path
from core.use_cases import queries
from core.use_cases.settings import Theme, keep_lost, settings_of
from tasks.wiring import make_policy
from tui.cli.init import set_up
from tui.cli.program import (
    Program,
    actor_as,
    as_option,
    business_option,
    operator,
    others_settings,
    pass_program,
)
from tui.desk import Desk, Place, clocks_in

if TYPE_CHECKING:
    from tui.app import WebhooksApp

_LAST_WORDS = 5  # seconds for what is noted when the connection has gone
# What Textual reads when it is imported: nothing moves by itself. So the frame rate only says how
# soon a key shows.
_MANNER = {"TEXTUAL_FPS": "60", "TEXTUAL_ANIMATIONS": "none"}
# What a terminal calls its 16 million: the screens have colours of the 256, in fewer bytes.
_MORE_COLOURS = {"truecolor", "24bit"}


@click.command()
@as_option
@click.option("--key", metavar="FINGERPRINT", help="The SSH key it is, for the audit trail.")
@business_option
@click.option("--webhook", "webhook_id", type=int, metavar="ID", help="Open its history.")
@click.option("--failed", "only_failed", is_flag=True, help="Of that, what did not arrive.")
@click.option("--delivery", "delivery_id", default="", metavar="ID", help="Open this delivery.")
@click.option("--find", default="", metavar="TEXT", help="Open what `find TEXT` finds.")
@click.option(
    "--theme",
    type=click.Choice([each.value for each in Theme]),
    help="In these colours, this time.",
)
@click.option("--activity", is_flag=True, help="Open the deliveries of all webhooks.")
@click.option("--read-only", is_flag=True, help="Change nothing in this session.")
@pass_program
def tui(
    program: Program,
    login: str | None,
    key: str | None,
    business_id: int | None,
    webhook_id: int | None,
    delivery_id: str,
    find: str,
    theme: str | None,
    *,
    only_failed: bool,
    activity: bool,
    read_only: bool,
) -> None:
    """Manage webhooks in the terminal."""
    place = Place(webhook_id, only_failed, delivery_id, find, activity)
    _refuse_two_places(place)
    if not is_on_terminal():
        told = "The terminal UI needs a terminal: run it from one (ssh -t)."
        if key is not None:
            told += " Commands are answered only to a key that may export."
        click.echo(told, err=True)
        sys.exit(2)
    if login is None and place == Place() and not read_only and _is_untouched(program):
        run(_in_theme(theme, _first_desk(program)))
        return
    desk = _in_theme(theme, make_desk(program, login, business_id, key))
    business_id = _business_of(desk, place) or business_id
    run(replace(desk, business_id=business_id, place=place, read_only=read_only))


def _in_theme(asked: str | None, desk: Desk) -> Desk:
    """In the one that was asked for, whatever is kept with the login."""
    if asked is None:
        return desk
    return replace(desk, settings=replace(desk.settings, theme=Theme(asked)))


def _refuse_two_places(place: Place) -> None:
    given = (place.webhook_id is not None, place.delivery_id, place.find, place.activity)
    if sum(map(bool, given)) > 1:
        raise click.UsageError("Give one of --webhook, --delivery, --find and --activity.")
    if place.only_failed and place.webhook_id is None:
        raise click.UsageError("--failed needs a webhook: add --webhook ID.")


def _business_of(desk: Desk, place: Place) -> int | None:
    """Whose the place is; None where it is no business's. Raises NotFound where there is no such
    place for who asks.
    """
    webhook_id = place.webhook_id
    if place.delivery_id:
        webhook_id = queries.delivery(desk.actor, place.delivery_id).delivery.webhook_id
    if webhook_id is None:
        return None
    return queries.webhook(desk.actor, webhook_id).business_id


def is_on_terminal() -> bool:
    streams = (sys.stdin, sys.stdout, sys.stderr)
    return all(stream is not None and stream.isatty() for stream in streams)  # None: closed


def make_desk(
    program: Program, login: str | None, business_id: int | None = None, key: str | None = None
) -> Desk:
    delivery = program.open().delivery
    settings = settings_of(login)
    return Desk(
        actor=actor_as(login, f"tui {key}" if key else "tui"),
        policy=program.policy,
        open_vault=program.vault,
        wake=program.wake,
        clock=utc_now,
        local=clocks_in(settings.zone),
        max_attempts=delivery.max_attempts,
        timeout=delivery.timeout,
        recovery_window=delivery.recovery_window,
        keep=program.config.history.keep,
        most_webhooks=program.config.limits.webhooks,
        sends_mail=bool(program.config.mail.smtp),
        language=Language(program.config.ui.language),
        business_id=business_id,
        development=_development(delivery),
        worker_command=f"{_command(program)} worker" if login is None else "",
        others_settings=lambda: others_settings(program.config, utc_now()),
        settings=settings,
    )


def _is_untouched(program: Program) -> bool:
    """Whether there is no configuration yet, or not the SQLite database that it names."""
    if not program.config_path.exists():
        return True
    path = sqlite_path(program.config.database.url)
    return path is not None and not path.exists()


def _first_desk(program: Program) -> Desk:
    """Where nothing is known yet but how to set it up."""

    def make(name: str, edition: Edition, owner: str) -> Desk:
        option = edition not in INCLUDED_EDITIONS
        set_up(program.config_path, name=name, edition=edition, owner=owner, option=option)
        return make_desk(program, None)

    defaults = DeliveryConfig()
    return Desk(
        actor=operator(),
        policy=make_policy(defaults),
        open_vault=program.vault,
        wake=lambda: None,  # there is no queue yet
        clock=utc_now,
        local=clocks_in(""),
        max_attempts=defaults.max_attempts,
        timeout=defaults.timeout,
        recovery_window=defaults.recovery_window,
        keep=HistoryConfig().keep,
        set_up=make,
    )


def _command(program: Program) -> str:
    """How this program is called, with the configuration that is in use."""
    if program.config_path == DEFAULT_CONFIG:
        return "aurapos-webhooks"
    return f"aurapos-webhooks --config {shlex.quote(str(program.config_path))}"


def run(desk: Desk) -> None:
    """Open the UI and stay until it is left; raises WebhooksError if it crashed."""
    logging.getLogger().addHandler(logging.NullHandler())  # a line on stderr would be on the screen
    app = app_class()(desk)
    signal.signal(signal.SIGHUP, lambda *_: _hang_up(app))
    app.run()
    if app.left_behind:
        keep_lost(app.desk.actor.login, app.left_behind)
    if app.crash:
        raise WebhooksError(
            f"The terminal UI had to stop (error {app.crash}): nothing is lost; tell AuraPOS "
            "support what is in the brackets."
        )


def _hang_up(app: "WebhooksApp") -> None:
    """End as the terminal that has gone did, once the next session can tell what was lost with it.

    Within a moment, whatever the database does: a program without a terminal spins.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a shell hands on what the terminal has sent
    signal.alarm(_LAST_WORDS)
    with suppress(WebhooksError, PeeweeException):
        lost = app.lost()
        if lost:
            keep_lost(app.desk.actor.login, lost)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGHUP)


def app_class() -> "type[WebhooksApp]":
    """Import Textual only now, in an environment that no client of sshd has a say in.

    Its variables write files, press keys and import modules.
    """
    for name in [name for name in os.environ if name.startswith(("TEXTUAL", "PYTHON"))]:
        del os.environ[name]
    os.environ.update(_MANNER)
    if os.environ.get("COLORTERM") in _MORE_COLOURS:
        os.environ["TEXTUAL_COLOR_SYSTEM"] = "256"
    from tui.app import WebhooksApp  # noqa: PLC0415 - Textual reads the environment at import

    return WebhooksApp


def _development(delivery: DeliveryConfig) -> str:
    match delivery.allow_http, bool(delivery.allow_networks):
        case True, True:
            return N_("! Development settings: plain http and private addresses allowed.")
        case True, False:
            return N_("! Development settings: plain http allowed.")
        case False, True:
            return N_("! Development settings: private addresses allowed.")
    return ""
