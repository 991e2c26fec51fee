"""Which drivers peewee finds: it and playhouse import all that are installed, used or not."""

import sys


def leave_out_postgres() -> None:
    """Import peewee as if psycopg were not installed, whose import takes longer than all of ours
    together: for a program that opens SQLite only. Does nothing where peewee is imported already.
    """
    if "peewee" in sys.modules or "psycopg" in sys.modules:
        return
    sys.modules["psycopg"] = None  # type: ignore[assignment] # Python's own sign for "not there"
    try:
        import playhouse.migrations  # noqa: F401, PLC0415 - it and peewee look now
    finally:
        del sys.modules["psycopg"]
