"""Queries that every pass asks, built once: building one takes longer than running it."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, NamedTuple, TypeGuard, TypeVarTuple, cast

from peewee import AsIs, Node

from core.storage.database import as_one_value, is_postgres, is_single, proxy
from core.storage.models import TimeField

Ts = TypeVarTuple("Ts")
_time = TimeField()


class _Blank(NamedTuple):
    """The place of an argument in a query that was built without it."""

    place: int
    is_single: bool  # it is a collection of one id


def built_once(build: Callable[[*Ts], Any]) -> Callable[[*Ts], Any]:
    """A function that runs the query which `build` returns, and returns the engine's cursor.

    `build` is called at the first use on each engine, with blanks in place of its arguments, and
    once more for a single id, of which `one_of` makes another query. So it must not look at them:
    whatever else the text of the query depends on is no argument of it. They are given by position:
    moments as such, and ids, for `one_of`, as one collection.
    """
    known = dict[tuple[bool, ...], tuple[str, list[Any]]]()

    def run(*args: *Ts) -> Any:
        kind = is_postgres(), *map(_is_single, args)
        if kind not in known:
            blanks = [_Blank(place, is_single) for place, is_single in enumerate(kind[1:])]
            known[kind] = _build(build, [AsIs(blank, converter=False) for blank in blanks])
        sql, values = known[kind]
        given = [_stored(each) for each in args]
        return proxy.execute_sql(sql, [given[v.place] if type(v) is _Blank else v for v in values])

    return run


def _build(build: Callable[..., Node], blanks: list[AsIs]) -> tuple[str, list[Any]]:
    sql, values = proxy.get_sql_context().sql(build(*blanks)).query()
    return cast("str", sql), list(values)


def _stored(value: object) -> object:
    if isinstance(value, datetime):
        return _time.db_value(value)
    return as_one_value(value) if _are_ids(value) else value


def _is_single(value: object) -> bool:
    return _are_ids(value) and is_single(value)


def _are_ids(value: object) -> TypeGuard[Collection[int]]:
    return isinstance(value, Collection) and not isinstance(value, str | bytes)
