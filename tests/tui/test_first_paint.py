"""What the UI does without until it is first drawn: each import is time that somebody waits."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.installation import Installation
from tui.cli.main import _is_on_sqlite

NEEDED_LATER = {
    *("babel", "httptools", "httpx", "huey", "hypothesis", "psycopg", "pygments", "redis"),
    *("core.outbound", "core.verification", "http.server", "tasks.consumer", "tasks.dispatcher"),
}
"""Or by other commands; with all that is in them."""

_UNTIL_THE_APP_RUNS = """
import sys
from pathlib import Path
from tui.cli.main import _command

config = Path(sys.argv[1])
_command("tui", config)
from tui.cli.program import Program
from tui.cli.terminal import app_class, make_desk

app_class()(make_desk(Program(config), None))
print(*(name for name, module in sys.modules.items() if module is not None), sep="\\n")
"""


@pytest.mark.files_only("PostgreSQL needs its driver")
def test_what_other_commands_need_is_not_imported_before_the_first_paint(
    installed: Installation,
) -> None:
    command = [sys.executable, "-c", _UNTIL_THE_APP_RUNS, str(installed.config)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    imported = set(ended.stdout.split())
    assert {"peewee", "playhouse.migrations", "textual.app", "tui.app"} <= imported
    parts = {".".join(name.split(".")[:depth]) for name in imported for depth in (1, 2)}
    assert parts & NEEDED_LATER == set()


_ALL_COMMANDS = """
import sys
from pathlib import Path
from tui.cli.main import _MODULES, _NAMES_A_DATABASE, _command

for name in _MODULES.keys() - _NAMES_A_DATABASE:
    _command(name, Path(sys.argv[1]))
print(*(name for name in ("psycopg", "redis") if sys.modules.get(name)))
"""


@pytest.mark.files_only("PostgreSQL needs its driver")
def test_no_command_imports_a_driver_that_it_does_not_need(installed: Installation) -> None:
    command = [sys.executable, "-c", _ALL_COMMANDS, str(installed.config)]
    assert subprocess.check_output(command, text=True) == "\n"


@pytest.mark.parametrize(
    ("database", "queue", "is_on_sqlite"),
    [
        ("sqlite:///a.db", "sqlite:///q.db", True),
        ("postgresql://u@h/d", "sqlite:///q.db", False),
        ("sqlite:///a.db", "postgresql://u@h/d", False),
        ("sqlite:///a.db", "redis://h/0", False),
    ],
)
def test_a_driver_is_left_out_only_where_all_is_sqlite(
    tmp_path: Path, database: str, queue: str, is_on_sqlite: bool
) -> None:
    config = tmp_path / "config.toml"
    assert _is_on_sqlite(config)  # what is set up first is
    config.write_text(
        f'[database]\nurl = "{database}"\n[queue]\nurl = "{queue}"\n[secrets]\nkey_file = "k"\n'
    )
    assert _is_on_sqlite(config) is is_on_sqlite
    config.write_text("[")
    assert not _is_on_sqlite(config)
