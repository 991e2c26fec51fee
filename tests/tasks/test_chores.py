"""What a worker does beside delivering."""

import asyncio
from threading import Event

from core.storage.database import connection, open_database, proxy
from core.storage.schema import require_current
from tasks.chores import Chore
from tests.support.scene import close_database
from tests.support.waiting import PATIENCE


def test_a_chore_that_waits_for_others_holds_no_connection(postgres_tables: str) -> None:
    """As one that mails does: else few such would leave none for what delivers."""
    waits, goes_on = Event(), Event()

    def work() -> None:
        require_current()
        waits.set()
        assert goes_on.wait(PATIENCE)

    async def run() -> tuple[int]:
        chore = Chore(work)
        running = asyncio.create_task(chore.run())
        chore.call()
        await asyncio.to_thread(waits.wait, PATIENCE)
        try:
            with connection():
                row: tuple[int] = proxy.execute_sql("SELECT 1").fetchone()
        finally:
            goes_on.set()
            chore.stop()
            await running
        return row

    open_database(postgres_tables, connections=1)
    assert asyncio.run(run()) == (1,)
    close_database()
