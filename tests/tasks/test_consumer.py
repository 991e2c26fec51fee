"""How a worker is put together."""

from dataclasses import replace

import pytest

from core.config import Config, DatabaseConfig
from tasks.consumer import assemble


class _Read(Exception):
    pass


def test_every_catalogue_is_read_before_the_first_event(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chat line in French may be needed long after an upgrade has replaced the files."""

    def read() -> None:
        raise _Read

    monkeypatch.setattr("tasks.consumer.read_all", read)
    with pytest.raises(_Read):
        assemble(replace(Config(), database=DatabaseConfig(database)))
