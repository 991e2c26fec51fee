"""`backup`: the database in one file, while everything goes on."""

import sys
from pathlib import Path

import click

from core.storage.database import open_database
from core.use_cases.backup import back_up, refuse_other_engines
from tui.cli.output import Progress, print_json, say
from tui.cli.program import Program, json_option, pass_program


@click.command(short_help="Copy the database to a file, under running workers too.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--compact", is_flag=True, help="Without what lies free in it: takes longer.")
@json_option
@pass_program
def backup(program: Program, file: Path, *, compact: bool, as_json: bool) -> None:
    """Copy the database to FILE, under running workers too; an existing file is kept.

    The key file is not in it: back it up apart.
    """
    config = program.config
    refuse_other_engines(config.database.url, file)
    open_database(config.database.url)  # of whatever schema: one is wanted before `migrate`
    progress = Progress()

    def tell(done: int, pages: int) -> None:
        if sys.stderr.isatty():  # a timer's nightly run has nothing to tell
            progress.show(f"{done} of {pages} pages")

    try:
        size = back_up(file, tell, compact=compact)
    finally:
        progress.clear()
    if as_json:
        print_json({"file": str(file), "bytes": size})
        return
    say(f"{file} holds the database, {size} bytes.")
    say(
        f"Back up the key file {config.secrets.key_file} too, apart from it: without it no secret "
        "can be opened."
    )
