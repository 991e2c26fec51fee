"""What an event loop asks PostgreSQL without a thread: it is answered, or fails and is closed."""

import asyncio
from collections.abc import Collection, Iterator
from typing import Any

import psycopg
import pytest

from core.storage import asking
from core.storage.asking import Asking
from core.storage.postgres import NoAnswer
from tests.support import pgbouncer
from tests.support.servers import Postgres, restartable_postgres
from tests.support.silence import silenceable
from tests.support.waiting import PATIENCE

SQUARES = "SELECT id, id * id, 'été €', '\\x00ff'::bytea, NULL, id > 2 FROM unnest($1) AS id"
NOBODY_ELSE = "datname = current_database() AND pid <> pg_backend_pid()"


@pytest.fixture(scope="module")
def server(a_server: None) -> Iterator[Postgres]:
    with restartable_postgres() as running:
        yield running


async def asked(asks: Asking, ids: Collection[int]) -> list[tuple[Any, ...]]:
    return await asyncio.wait_for(asks.ask(ids), PATIENCE)


async def opened(url: str, statement: str = SQUARES) -> Asking:
    asks = await Asking.open(url, statement)
    assert asks is not None
    return asks


def test_each_question_gets_the_rows_that_are_its_own(server: Postgres) -> None:
    async def main() -> None:
        asks = await opened(server.url)
        for ids in ([2, 3], [], range(3000), [5]):
            rows = await asked(asks, ids)
            assert rows == [(n, n * n, "été €", b"\x00\xff", None, n > 2) for n in ids]
        asks.close()
        asks.close()

    asyncio.run(main())


def test_what_the_server_refuses_is_an_error_and_the_end(server: Postgres) -> None:
    async def main() -> None:
        asks = await opened(server.url, "SELECT 1 / id FROM unnest($1) AS id")
        assert await asked(asks, [1]) == [(1,)]
        with pytest.raises(psycopg.Error, match="division by zero"):
            await asked(asks, [0])
        with pytest.raises(psycopg.Error):
            await asked(asks, [1])

    asyncio.run(main())


def test_a_connection_that_ended_while_nothing_was_asked_is_an_error_at_the_next_question(
    server: Postgres,
) -> None:
    async def main() -> None:
        asks = await opened(server.url)
        with psycopg.connect(server.url, autocommit=True) as operator:
            operator.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {NOBODY_ELSE}"
            )
        with pytest.raises(psycopg.Error):
            await asked(asks, [1])

    asyncio.run(main())


def test_a_server_that_says_nothing_is_given_up(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        with silenceable(server.port) as way:
            asks = await opened(server.url.replace(str(server.port), str(way.port)))
            monkeypatch.setattr(asking, "_ANSWER_TIMEOUT", 0.1)
            way.silence()
            with pytest.raises(NoAnswer):
                await asked(asks, [1])

    asyncio.run(main())


def test_who_stops_waiting_leaves_no_answer_to_the_next(server: Postgres) -> None:
    async def main() -> None:
        asks = await opened(server.url, "SELECT pg_sleep(id) FROM unnest($1) AS id")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asks.ask([600]), 0.05)
        with pytest.raises(psycopg.Error):
            await asked(asks, [0])

    asyncio.run(main())


@pgbouncer.needed
def test_behind_a_pooler_nothing_is_prepared(server: Postgres) -> None:
    with pgbouncer.pgbouncer(server) as bouncer:
        assert asyncio.run(Asking.open(bouncer.url, SQUARES)) is None
