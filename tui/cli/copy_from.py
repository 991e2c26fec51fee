"""`copy-from`: the way from SQLite to PostgreSQL."""

from pathlib import Path

import click

from core.storage.clock import utc_now
from core.storage.database import open_database
from core.storage.schema import migrate
from core.use_cases.copying import copy_from as copy_database
from tasks.wiring import open_configured_queue
from tui.cli.output import Progress, print_json, print_table, say
from tui.cli.program import Program, json_option, pass_program, queue_explained


@click.command("copy-from", short_help="Copy an SQLite database into PostgreSQL.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@json_option
@pass_program
def copy_from(program: Program, file: Path, *, as_json: bool) -> None:
    """Copy an SQLite database into the configured PostgreSQL, which must be empty.

    Stop the worker, name the PostgreSQL in [database] url, run this with the old FILE, then start
    the worker. All rows arrive and are counted, or nothing is changed; FILE stays as it is.
    """
    open_database(program.config.database.url)
    migrate()
    with queue_explained():
        open_configured_queue(program.config, create=True)
    progress = Progress()
    try:
        counts = copy_database(
            file,
            utc_now(),
            lambda table, done, total: progress.show(f"{table}: {done} of {total} rows"),
        )
    finally:
        progress.clear()
    if as_json:
        print_json({"file": str(file), "rows": counts})
        return
    print_table(("TABLE", "ROWS"), list(counts.items()), "")
    say("Every row is there. Start the worker; keep the file until you have seen it deliver.")
