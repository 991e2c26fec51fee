"""`secrets …`: the key that the webhooks' secrets are sealed with."""

from pathlib import Path

import click

from core.errors import BadKeyFile
from core.storage.folders import taking_turns
from core.storage.vault import add_key, drop_old_keys
from core.use_cases.rotation import Rotation, seal_anew
from tui.cli.output import Progress, print_json, say
from tui.cli.program import Program, json_option, pass_program


@click.group()
def secrets() -> None:
    """The key that the webhooks' secrets are sealed with."""


@secrets.command("rotate-key", short_help="Make a new key and seal every secret with it.")
@click.option(
    "--drop-old",
    is_flag=True,
    help="Forget the older keys: backups from before can then not be opened any more.",
)
@json_option
@pass_program
def rotate_key(program: Program, *, drop_old: bool, as_json: bool) -> None:
    """Make a new key and seal every secret with it; the secrets themselves stay as they are.

    Safe at any time, and to run again after an interruption. The older keys stay in the key file,
    so that backups still open, until --drop-old.
    """
    program.open()
    path = Path(program.config.secrets.key_file)
    progress = Progress()
    with taking_turns(path.parent):
        rotation = seal_anew(add_key(path), lambda count: progress.show(f"{count} secrets …"))
        progress.clear()
        _refuse_lost(rotation)
        if drop_old:
            drop_old_keys(path)
    if as_json:
        print_json({"sealed": rotation.sealed, "key_file": path})
        return
    say(f"{rotation.sealed} secrets are sealed with a new key; back up {path} anew.")
    if drop_old:
        say("The older keys are gone: restart the workers, and keep the old file with old backups.")


def _refuse_lost(rotation: Rotation) -> None:
    if rotation.lost:
        told = ", ".join(map(str, rotation.lost))
        raise BadKeyFile(
            f"{rotation.sealed} secrets are sealed with a new key, but no key here opens those of "
            f"webhooks {told}: restore the old key file, or regenerate them."
        )
