"""`verify`: is this signature right?"""

import click

from core.errors import WebhooksError
from core.signing import Secret, explain_mismatch
from tui.cli.intake import file_argument, opened
from tui.cli.output import say


@click.command()
@click.option("--secret", required=True, help="The webhook's secret, whsec_ and all.")
@click.option("--signature", required=True, help="The X-AuraPOS-Signature header.")
@file_argument
def verify(secret: str, signature: str, file: str) -> None:
    """Check a signature over the raw body in a file or stdin, and say where it differs."""
    with opened(file) as source:
        problem = explain_mismatch(Secret(secret), signature, source.read())
    if problem is not None:
        raise WebhooksError(problem)
    say("The signature is right.")
