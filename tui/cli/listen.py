"""`listen`: a local receiver that prints and verifies what arrives."""

import signal
import threading

import click

from tui.cli.output import print_json_line, say
from tui.cli.program import json_option
from tui.cli.receiver import Answer, Received, Receiver
from tui.cli.secret_option import chosen_secret, secret_options

_DEVELOPMENT = (
    "To call it the configuration needs, under [delivery], "
    'allow_http = true and allow_networks = ["127.0.0.0/8"].'
)
_PREVIEW = 500  # characters of a body


@click.command(short_help="Receive, print and verify webhooks on this machine.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True)
@secret_options
@json_option
def listen(port: int, secret: str | None, secret_file: str | None, *, as_json: bool) -> None:
    """Receive webhooks on this machine, print them and verify their signatures."""
    known = chosen_secret(secret, secret_file)
    show = _show_json if as_json else _show
    stopped = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: stopped.set())
    with Receiver(show, port) as receiver:
        receiver.secret = known
        if not as_json:
            say(f"Listening on {receiver.url} until ctrl+C. {_DEVELOPMENT}")
        stopped.wait()


def _show(received: Received) -> Answer:
    say(
        f"{received.at:%H:%M:%S} {_verdict(received)}  {received.event or '(no event)'}  "
        f"{received.delivery_id or '(no delivery id)'}  {len(received.body)} bytes"
    )
    if received.problem is not None:
        say(f"  {received.problem}")
    say("  " + received.body.decode("utf-8", "replace")[:_PREVIEW])
    return _answer(received)


def _show_json(received: Received) -> Answer:
    print_json_line(
        {
            "at": received.at,
            "event": received.event,
            "delivery_id": received.delivery_id,
            "verified": received.verified,
            "problem": received.problem,
            "body": received.body.decode("utf-8", "replace"),
        }
    )
    return _answer(received)


def _verdict(received: Received) -> str:
    if received.verified is None:
        return "? unverified"
    return "✓ verified" if received.verified else "✗ BAD"


def _answer(received: Received) -> Answer:
    if received.verified is False:
        return 401, b'{"ok":false,"error":"bad signature"}'
    return 200, b'{"ok":true}'
