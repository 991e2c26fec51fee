"""Conditions that are written out where others are bound.

An engine uses a partial index only where the statement holds the very literal of the index.
"""

from typing import Any

from peewee import SQL, Expression, NodeList

from core.domain.delivery import Status
from core.storage.models import Delivery

ONE = SQL("1")  # of rows that are only counted
FALSE = SQL("FALSE")


def is_true(flag: Any) -> Expression:
    """Whether a column is true."""
    return flag == SQL("TRUE")


def has_status(status: Status) -> Expression:
    """The deliveries that have it."""
    return Delivery.status == SQL(f"'{status}'")


def is_refused() -> SQL:
    """The events that were set aside, with the reason."""
    return SQL("refused IS NOT NULL")


def is_code() -> SQL:
    """The mails that ask whether somebody reads them."""
    return SQL("kind = 'code'")


def has_error() -> SQL:
    """The mails whose latest attempt failed."""
    return SQL("error <> ''")


def off_index(column: Any) -> NodeList:
    """The column, in a form of which there is no index: the engine is to take another one."""
    return NodeList((SQL("+"), column))


def columns(count: int) -> list[SQL]:
    """The first `count` columns of a statement, by their places: as an expression with values in
    it, PostgreSQL does not know a column again.
    """
    return [SQL(str(place)) for place in range(1, count + 1)]
