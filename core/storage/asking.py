"""A query that an event loop puts to PostgreSQL again and again, with no thread between.

For a short read, a thread costs more than ten times as much as libpq's own calls, and psycopg's
asynchronous connection five times as much. So these are libpq's own calls.
"""

import asyncio
from collections.abc import Collection
from typing import Any

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from core.storage.postgres import Connection, NoAnswer, connect

_NAME = b"asked"
_ANSWER_TIMEOUT = 5.0  # seconds, for an answer that takes next to no work

Row = tuple[Any, ...]


class Asking:
    """A connection of its own, over which one question at a time is asked. It belongs to the event
    loop that opened it; after an error it is closed, and answers nothing more.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._libpq = connection.pgconn
        self._socket = self._libpq.socket
        self._reader = Transformer(connection)
        self._result: PGresult | None = None  # of what was asked, as soon as it has come
        self._answer: asyncio.Future[list[Row]] | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._receive)
        self._is_open = True

    @classmethod
    async def open(cls, url: str, statement: str) -> "Asking | None":
        """Ready to ask `statement`, whose `$1` are ids. None behind a pooler, where no session is
        ours. Raises psycopg.Error.
        """
        connection = await asyncio.to_thread(_prepared, url, statement)
        return None if connection is None else cls(connection)

    async def ask(self, ids: Collection[int]) -> list[Row]:
        """The rows that the statement finds for these ids. Raises psycopg.Error."""
        self._answer = self._loop.create_future()
        too_late = self._loop.call_later(_ANSWER_TIMEOUT, self._give_up)
        try:
            bound = f"{{{','.join(map(str, ids))}}}".encode()
            self._libpq.send_query_prepared(_NAME, [bound])  # too short to fill the socket
            return await self._answer
        except BaseException:
            self.close()
            raise
        finally:
            too_late.cancel()
            self._answer = None

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self._socket)
            self._connection.close()

    def _receive(self) -> None:
        try:
            self._libpq.consume_input()
            while self._answer is not None and not self._libpq.is_busy():
                result = self._libpq.get_result()
                if result is None:  # the answer is complete
                    self._end(self._answer)
                    return
                self._result = result
        except psycopg.Error as error:
            self._fail(error)

    def _end(self, answer: "asyncio.Future[list[Row]]") -> None:
        result, self._result = self._result, None
        if result is None or result.status != ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError(self._libpq.get_error_message())
        self._reader.set_pgresult(result)
        if not answer.done():
            answer.set_result(self._reader.load_rows(0, result.ntuples, tuple))

    def _give_up(self) -> None:
        self._fail(NoAnswer(f"no answer within {_ANSWER_TIMEOUT:g} s"))

    def _fail(self, error: psycopg.Error) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.close()


def _prepared(url: str, statement: str) -> Connection | None:
    connection, session = connect(url)
    try:
        if session.is_pooled:
            connection.close()
            return None
        connection.execute(f"PREPARE {_NAME.decode()} (int[]) AS {statement}", prepare=False)
    except BaseException:
        connection.close()
        raise
    return connection
