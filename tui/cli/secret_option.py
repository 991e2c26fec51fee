"""Where a command is given a webhook's secret: a file, stdin, a variable, or an option for all to
see.
"""

import sys
from collections.abc import Callable
from typing import Any

import click

from core.domain.signing import Secret
from core.errors import BadInput
from tui.cli.reading import opened

_LONGEST = 1000  # bytes of a file with a secret in it


def secret_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--secret-file`, the variable, and `--secret`."""
    for option in (
        click.option(
            "--secret",
            envvar="AURAPOS_WEBHOOKS_SECRET",
            show_envvar=True,
            help="The secret, whsec_ and all. Every user of this machine sees it in `ps`.",
        ),
        click.option(
            "--secret-file",
            metavar="FILE",
            help="A file with the webhook's secret in it, or - for stdin.",
        ),
    ):
        command = option(command)
    return command


def chosen_secret(secret: str | None, secret_file: str | None) -> Secret | None:
    """The file's where one is named, without the line break that ends it; from a terminal, asked
    for and not shown. Raises BadInput.
    """
    if secret_file is None:
        return Secret(secret) if secret else None
    if secret_file == "-" and sys.stdin is not None and sys.stdin.isatty():  # noqa: S105 - no password, but stdin
        return Secret(click.prompt("Secret", hide_input=True, err=True))
    with opened(secret_file) as source:
        content = source.read(_LONGEST)
    try:
        text = content.decode("utf-8-sig").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        text = ""
    if not text.strip():
        raise BadInput("The file with the secret has none in it: it begins with whsec_.")
    return Secret(text)
