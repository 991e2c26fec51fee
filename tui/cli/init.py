"""`init` and `migrate`: making what the program needs, and bringing it up to date."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click

from core.config import Config, load_config
from core.domain.editions import Edition
from core.errors import BadInput, BadKeyFile
from core.pipeline.subjects import cut_subjects
from core.storage.clock import utc_now
from core.storage.database import connection, open_database, sqlite_path
from core.storage.flush import sync
from core.storage.folders import taking_turns
from core.storage.models import Business, Webhook
from core.storage.schema import migrate as migrate_schema
from core.storage.vault import create_key_file
from core.use_cases.businesses import add_business, parse_edition
from tasks.wiring import open_configured_queue
from tui.cli.business import option_switch, switched
from tui.cli.output import Progress, print_json, say
from tui.cli.program import Program, json_option, operator, pass_program, queue_explained

_CONFIG = """\
# Every key and its default is in config.example.toml, which comes with the program's source.
[database]
url = {database}

[queue]
url = {queue}

[secrets]
key_file = "aurapos-webhooks.key"
"""
_PORTION = 2_000  # events between two words of progress
_DATABASE = "sqlite:///aurapos-webhooks.db"
_QUEUE = "sqlite:///aurapos-webhooks-queue.db"


def _config(database: str, queue: str) -> str:
    return _CONFIG.format(database=_quoted(database), queue=_quoted(queue))


def _quoted(text: str) -> str:
    """As a TOML string; JSON's are, but for DEL."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadInput("A database or a queue is named in UTF-8.") from None
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


STOCK_CONFIG = _config(_DATABASE, _QUEUE)


@click.command(short_help="Write configuration, key and database, and a business.")
@click.option("--business", "name", required=True, help="The first business's name.")
@click.option("--edition", required=True, help=f"One of {', '.join(Edition)}.")
@click.option("--owner", required=True, metavar="LOGIN", help="Its owner.")
@option_switch
@click.option("--database", default=_DATABASE, show_default=True)
@click.option("--queue", default=_QUEUE, show_default=True)
@json_option
@pass_program
def init(
    program: Program,
    name: str,
    edition: str,
    owner: str,
    option: str | None,
    database: str,
    queue: str,
    *,
    as_json: bool,
) -> None:
    """Write the configuration (if it is missing), the key and the database, with a first business.

    What is there already is never overwritten.
    """
    parse_edition(edition)  # before anything is written
    business_id = set_up(
        program.config_path,
        _config(database, queue),
        name=name,
        edition=edition,
        owner=owner,
        option=bool(switched(option)),
    )
    if as_json:
        print_json({"config": program.config_path, "business_id": business_id, "owner": owner})
        return
    say(f"{program.config_path} is ready: business {business_id} is {name}, its owner is {owner}.")
    say("Next: `aurapos-webhooks worker`, and `aurapos-webhooks webhook create URL --all-events`.")


def set_up(
    path: Path, config: str = STOCK_CONFIG, *, name: str, edition: str, owner: str, option: bool
) -> int:
    """Make everything that is missing, the configuration file included; or, on an error, nothing.

    Returns the first business's id; raises as `initialise` does.
    """
    with taking_turns(path.absolute().parent), _undone_on_error() as created:
        if not path.exists():
            _write(path, config, created)
        return initialise(
            load_config(path),
            name=name,
            edition=edition,
            owner=owner,
            option=option,
            now=utc_now(),
            created=created,
        )


def initialise(
    config: Config,
    *,
    name: str,
    edition: str,
    owner: str,
    option: bool,
    now: datetime,
    created: list[Path],
) -> int:
    """Make key, database and queue where they are missing; returns the first business's id.

    Files made are added to `created`. Raises BadInput where a business exists already, and
    BadKeyFile where secrets exist whose key does not.
    """
    open_database(config.database.url, create=True)
    with _owner_only():
        _note_new(sqlite_path(config.database.url), created)
        migrate_schema()
        _refuse_second()
        key_file = Path(config.secrets.key_file)
        if not key_file.exists():
            create_key_file(key_file)
            created.append(key_file)
        _note_new(sqlite_path(config.queue.url), created)
        with queue_explained():
            open_configured_queue(config, create=True)
    return add_business(operator(), name, edition, owner, now, option=option)


def _refuse_second() -> None:
    with connection():
        first = Business.select().order_by(Business.id).first()
        if first is not None:
            raise BadInput(
                f"The database is in use already, by business {first.id} ({first.name}): add more "
                "with `aurapos-webhooks business add`."
            )
        if Webhook.select().where(~Webhook.secret.is_null()).exists():
            raise BadKeyFile("The database holds secrets: put their key file back.")


def _note_new(path: Path | None, created: list[Path]) -> None:
    if path is not None and not path.exists():
        created.append(path)


@contextmanager
def _undone_on_error() -> Iterator[list[Path]]:
    """A list of files to remove again should what made them fail half-way."""
    created: list[Path] = []
    try:
        yield created
    except BaseException:
        for path in created:
            for left in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
                left.unlink(missing_ok=True)
        raise


@contextmanager
def _owner_only() -> Iterator[None]:
    """Files made in here are the owner's alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _write(path: Path, text: str, created: list[Path]) -> None:
    with _owner_only(), path.open("x", encoding="utf-8") as file:
        created.append(path)
        file.write(text)
    for each in (path, path.parent):
        sync(each)


@click.command(short_help="Bring the database to this version's schema.")
@json_option
@pass_program
def migrate(program: Program, *, as_json: bool) -> None:
    """Bring the database, and a queue in PostgreSQL, to this version's schema."""
    open_database(program.config.database.url)
    with _owner_only():
        applied = migrate_schema()
        with queue_explained():
            open_configured_queue(program.config, create=True)
        _cut_all_subjects()
    if as_json:
        print_json({"applied": applied})
        return
    say(f"applied: {', '.join(applied)}" if applied else "The schema is up to date.")


def _cut_all_subjects() -> None:
    """Of events of an older version, in small steps, since workers go on meanwhile; what is left
    when this is cut short they do themselves.
    """
    progress, done = Progress(), 0
    while step := cut_subjects(_PORTION):
        done += step
        progress.show(f"{done:,} events can be found by their subject …")
    progress.clear()
