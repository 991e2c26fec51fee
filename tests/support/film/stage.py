"""Marie's terminal UI on a business with a past, always at the same moment: what is filmed."""

import sys
from dataclasses import replace
from pathlib import Path

from core.storage.database import open_database
from core.storage.schema import migrate
from core.storage.vault import create_key_file, load_vault
from core.use_cases.businesses import add_business
from core.use_cases.settings import Settings, Theme
from tests.support.scene import NOON, OPERATOR
from tests.support.showcase import fill, make_desk
from tui.cli.terminal import run


def play(folder: Path) -> None:
    open_database(f"sqlite:///{folder / 'film.db'}", create=True)
    migrate()
    create_key_file(folder / "key")
    vault = load_vault(folder / "key")
    add_business(OPERATOR, "Chez Marie", "group", "marie", NOON)
    fill(vault, 1)
    run(replace(make_desk(vault), settings=Settings(Theme.DARK)))


if __name__ == "__main__":
    play(Path(sys.argv[1]))
