"""Who syncs: everybody who tells somebody "done", and of a worker nobody else."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from core.storage.database import connection, is_postgres, proxy, transaction
from core.storage.vault import Vault
from tasks.database_thread import DatabaseThread
from tasks.queue import open_queue

FULL, NORMAL = 2, 1  # SQLite's numbers


def synced() -> bool:
    """Whether a transaction begun here is on the disk once it has ended."""
    with transaction():
        if is_postgres():
            return bool(proxy.execute_sql("SHOW synchronous_commit").fetchone()[0] == "on")
        return bool(proxy.execute_sql("PRAGMA synchronous").fetchone()[0] == FULL)


def in_thread(call: Callable[[], bool], *, is_synced: bool) -> bool:
    async def main() -> bool:
        thread = DatabaseThread("test", synced=is_synced)
        try:
            return await thread.run(call)
        finally:
            await thread.close()

    return asyncio.run(main())


def test_what_anybody_does_is_synced_but_a_worker_s_claims_and_outcomes(database: str) -> None:
    assert database
    assert synced()
    assert in_thread(synced, is_synced=True)
    assert not in_thread(synced, is_synced=False)
    assert synced(), "what one thread does says nothing of another's"


@pytest.mark.parametrize("engine", ["postgres"])
def test_only_a_worker_s_statements_keep_to_indexes(database: str) -> None:
    assert database
    assert may_read_tables_through()
    assert not in_thread(may_read_tables_through, is_synced=False)
    assert may_read_tables_through(), "what one thread does says nothing of another's"


def may_read_tables_through() -> bool:
    with transaction():
        return bool(proxy.execute_sql("SHOW enable_seqscan").fetchone() == ("on",))


def test_a_wake_is_not_synced_and_its_file_survives_a_cut(tmp_path: Path, vault: Vault) -> None:
    huey = open_queue(f"sqlite:///{tmp_path / 'queue.db'}", vault.queue_key())
    assert huey.storage.conn.execute("PRAGMA synchronous").fetchone() == (NORMAL,)
    huey.storage.close()


@pytest.mark.parametrize("engine", ["postgres"])
def test_tables_that_change_all_day_are_tidied_up_early(database: str) -> None:
    assert database
    with connection():
        told = proxy.execute_sql(
            "SELECT relname, reloptions FROM pg_class "
            "WHERE reloptions NOTNULL AND relnamespace = 'public'::regnamespace"
        )
        options = dict(told.fetchall())
    assert options.keys() == {"delivery", "event", "webhook"}
    assert "autovacuum_vacuum_scale_factor=0.01" in options["delivery"]
