"""`verify`: is this signature right?"""

import click

from core.domain.mismatch import explain_mismatch
from core.errors import WebhooksError
from tui.cli.output import say
from tui.cli.reading import file_argument, opened
from tui.cli.secret_option import chosen_secret, secret_options


@click.command(short_help="Check a signature, and say where it differs.")
@secret_options
@click.option(
    "--signature", required=True, help="The X-AuraPOS-Signature header, with or without its name."
)
@file_argument
def verify(secret: str | None, secret_file: str | None, signature: str, file: str) -> None:
    """Check a signature over the raw body in a file or stdin, and say where it differs."""
    if {secret_file, file} == {"-"}:
        raise click.UsageError("Secret and body cannot both come from stdin: name a file for one.")
    found = chosen_secret(secret, secret_file)
    if found is None:
        raise click.UsageError(
            "The secret is missing: give --secret-file FILE, or set AURAPOS_WEBHOOKS_SECRET."
        )
    with opened(file) as source:
        problem = explain_mismatch(found, signature, source.read())
    if problem is not None:
        raise WebhooksError(problem)
    say("The signature is right.")
