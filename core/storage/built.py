"""Queries that every pass asks, built once: building one takes longer than running it."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, NamedTuple, TypeVarTuple, cast

from peewee import AsIs, Node

from core.storage.database import as_one_value, is_postgres, proxy
from core.storage.models import TimeField

Ts = TypeVarTuple("Ts")
_time = TimeField()


class _Blank(NamedTuple):
    """The place of an argument in a query that was built without it."""

    place: int


def built_once(build: Callable[[*Ts], Any]) -> Callable[[*Ts], Any]:
    """A function that runs the query which `build` returns, and returns the engine's cursor.

    `build` is called at the first use on each engine, with blanks in place of its arguments. So it
    must not look at them: whatever the text of the query depends on is no argument of it. They are
    given by position: moments as such, and several ids, for `one_of`, as one collection.
    """
    known = dict[bool, tuple[str, list[Any]]]()

    def run(*args: *Ts) -> Any:
        on_postgres = is_postgres()
        if on_postgres not in known:
            blanks = [AsIs(_Blank(place), converter=False) for place in range(len(args))]
            known[on_postgres] = _build(build, blanks)
        sql, values = known[on_postgres]
        given = [_stored(each) for each in args]
        return proxy.execute_sql(sql, [given[v.place] if type(v) is _Blank else v for v in values])

    return run


def _build(build: Callable[..., Node], blanks: list[AsIs]) -> tuple[str, list[Any]]:
    sql, values = proxy.get_sql_context().sql(build(*blanks)).query()
    return cast("str", sql), list(values)


def _stored(value: object) -> object:
    if isinstance(value, datetime):
        return _time.db_value(value)
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        return as_one_value(value)
    return value
