"""`tui`: the terminal UI, for an owner over SSH or for whoever holds the database."""

import logging
import os
import signal
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

from core.config import DeliveryConfig
from core.errors import WebhooksError
from tasks.consumer import utc_now
from tui.cli.program import Program, actor_as, as_option, business_option, pass_program
from tui.desk import Desk

if TYPE_CHECKING:
    from tui.app import WebhooksApp

# What Textual reads when it is imported: few bytes and patience with keys over a slow link.
_MANNER = {"TEXTUAL_FPS": "15", "TEXTUAL_ANIMATIONS": "none", "ESCDELAY": "500"}


@click.command()
@as_option
@business_option
@pass_program
def tui(program: Program, login: str | None, business_id: int | None) -> None:
    """Manage webhooks in the terminal."""
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        click.echo("The terminal UI needs a terminal: run it from one (ssh -t).", err=True)
        sys.exit(2)
    run(make_desk(program, login, business_id))


def make_desk(program: Program, login: str | None, business_id: int | None) -> Desk:
    delivery = program.open().delivery
    return Desk(
        actor=actor_as(login, "tui"),
        policy=program.policy,
        open_vault=program.vault,
        wake=program.wake,
        clock=utc_now,
        local=datetime.astimezone,
        max_attempts=delivery.max_attempts,
        timeout=delivery.timeout,
        business_id=business_id,
        warnings=tuple(_development(delivery)),
    )


def run(desk: Desk) -> None:
    """Open the UI and stay until it is left; raises WebhooksError if it crashed."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored, a terminal that has gone spins
    logging.getLogger().addHandler(logging.NullHandler())  # a line on stderr would be on the screen
    app = make_app(desk)
    app.run()
    if app.crash:
        raise WebhooksError(
            f"The terminal UI had to stop (error {app.crash}): nothing is lost; tell AuraPOS "
            "support what is in the brackets."
        )


def make_app(desk: Desk) -> "WebhooksApp":
    """Import Textual only now, in an environment that no client of sshd has a say in."""
    for name in [name for name in os.environ if name.startswith("TEXTUAL_")]:
        del os.environ[name]
    os.environ.update(_MANNER)
    from tui.app import WebhooksApp  # noqa: PLC0415 - Textual reads the environment at import

    return WebhooksApp(desk)


def _development(delivery: DeliveryConfig) -> list[str]:
    told = []
    if delivery.allow_http:
        told.append("! Plain http is allowed: for development only.")
    if delivery.allow_networks:
        told.append("! Private networks may be called: for development only.")
    return told
