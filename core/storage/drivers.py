"""Which drivers there are: peewee, playhouse and Huey import all that are installed."""

import sys

_OF_SERVERS = ("psycopg", "redis")


def leave_out_drivers() -> None:
    """For a process that needs SQLite only: go on as if the drivers of PostgreSQL and Redis were
    not installed. Importing them takes longer than all of ours. Does nothing where peewee is
    imported already.
    """
    if "peewee" not in sys.modules:
        for name in _OF_SERVERS:
            sys.modules.setdefault(name, None)  # type: ignore[arg-type] # Python's "not there"
