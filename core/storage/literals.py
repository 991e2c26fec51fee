"""Conditions whose values are written out, where others are bound.

An engine uses a partial index only where the statement has the very literal of that index.
"""

from typing import Any, cast

from peewee import SQL, Expression, NodeList

from core.domain.delivery import Status
from core.storage.models import Delivery

ONE = SQL("1")  # to be selected of rows that are only counted
FALSE = SQL("FALSE")


def is_true(flag: Any) -> Expression:
    """Whether a column is true."""
    return flag == SQL("TRUE")


def has_value(column: Any) -> Expression:
    """Whether a column has one; SQLite does not see that `NOT … IS NULL` says the same."""
    return cast("Expression", column.is_null(is_null=False))


def has_status(status: Status) -> Expression:
    """The deliveries with this status."""
    return Delivery.status == SQL(f"'{status}'")


def is_refused() -> SQL:
    """The events that were set aside for a reason."""
    return SQL("refused IS NOT NULL")


def is_code() -> SQL:
    """The mails that ask whether somebody reads them."""
    return SQL("kind = 'code'")


def has_error() -> SQL:
    """The mails whose latest attempt failed."""
    return SQL("error <> ''")


def off_index(column: Any) -> NodeList:
    """The column in a form that has no index, so that the engine takes another one."""
    return NodeList((SQL("+"), column))


def columns(count: int) -> list[SQL]:
    """The first columns of a statement, by their places. PostgreSQL does not recognise an
    expression that has values bound in it.
    """
    return [SQL(str(place)) for place in range(1, count + 1)]
