"""`authorized-keys`: what sshd's AuthorizedKeysCommand asks."""

import shlex
import sys

import click

from core.errors import BadInput
from core.use_cases import businesses, membership
from core.use_cases.membership import KeyRow
from tui.cli.program import Program, pass_program

# From the client come only what sshd itself says of it, the terminal's name and what it asks for,
# which is held against a closed grammar; nothing that is read as code, a path or a locale.
_ENVIRONMENT = (
    'TERM="$TERM"',
    'SSH_CONNECTION="$SSH_CONNECTION"',
    'SSH_USER_AUTH="$SSH_USER_AUTH"',
    "PATH=/usr/bin:/bin",
    "LC_ALL=C.UTF-8",
    'SSH_ORIGINAL_COMMAND="$SSH_ORIGINAL_COMMAND"',
)


@click.command("authorized-keys", short_help="For sshd: what a key opens.")
@click.argument("key_type", metavar="TYPE")
@click.argument("key", metavar="KEY")
@pass_program
def authorized_keys(program: Program, key_type: str, key: str) -> None:
    """For sshd: the line that lets this key's owner into the terminal UI, and nothing else; a key
    that may export also has what `ssh` answers.

    In sshd_config: AuthorizedKeysCommand /usr/local/bin/aurapos-webhooks --config FILE
    authorized-keys %t %k. A key that is not known prints nothing, which refuses it.
    """
    program.open()
    try:
        public_key, fingerprint = businesses.parse_public_key(f"{key_type} {key}")
    except BadInput:
        return  # certificates and kinds of keys that no member can have
    found = membership.find_key(fingerprint)
    if found is not None:
        click.echo(f'restrict,pty,command="{_forced(program, found, fingerprint)}" {public_key}')


def _forced(program: Program, key: KeyRow, fingerprint: str) -> str:
    """The command in place of whatever the client asks for, as sshd reads it in quotes."""
    command = [
        sys.executable,
        "-I",  # neither the client's environment nor a folder's files are read as code
        *("-m", "tui.cli", "--config", str(program.config_path.resolve())),
        *("ssh", "--as", key.login, "--key", fingerprint),
        *([] if key.may_export else ["--ui-only"]),
    ]
    told = f"exec /usr/bin/env -i {' '.join(_ENVIRONMENT)} {shlex.join(command)}"
    return told.replace('"', '\\"')
