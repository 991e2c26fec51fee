"""Bringing the schema of the database to this version, and refusing any other version."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from playhouse.migrations import Runner

from core.errors import BadDatabase
from core.storage.database import connection, is_postgres, proxy, transaction

_DIRECTORY = Path(__file__).with_name("migrations")
_ADVISORY_LOCK = 0x6175_7261  # "aura": any number will do that is the same in every process


def migrate() -> list[str]:
    """Bring the bound database to the schema of this version; returns the migrations it applied.

    All of it is one transaction, which is also the lock: two migrations at a time take turns, and
    one that fails leaves nothing behind. Raises BadDatabase for a database newer than this program.
    """
    with connection(), _unhurried(), transaction():
        if is_postgres():
            proxy.execute_sql("SELECT pg_advisory_xact_lock(%s)", (_ADVISORY_LOCK,))
        runner = _runner()
        _refuse_newer(runner)
        if _is_current(runner):  # so that a role will do that may not make tables
            return []
        applied: list[str] = runner.up()
        return applied


def _unhurried() -> AbstractContextManager[None]:
    """Time without a limit: making an index over a long history takes long."""
    return proxy.unhurried() if is_postgres() else nullcontext()


def require_current() -> None:
    """Raise BadDatabase unless the bound database has the schema of exactly this version."""
    with connection():
        runner = _runner()
        _refuse_newer(runner)
        if not _is_current(runner):
            raise BadDatabase(
                "The database is not at this version's schema: run `aurapos-webhooks migrate`."
            )


def applied_migrations() -> set[str]:
    """The names of the migrations that were applied to the bound database."""
    with connection():
        return {each.name for each in _runner().status() if each.applied is not None}


def _runner() -> Runner:
    return Runner(proxy.obj, str(_DIRECTORY))


def _is_current(runner: Runner) -> bool:
    return all(migration.applied is not None for migration in runner.status())


def _refuse_newer(runner: Runner) -> None:
    newer = [migration.name for migration in runner.status() if migration.path is None]
    if newer:
        raise BadDatabase(
            f"The database was made by a newer version of this program ({newer[-1]}): "
            "install that version."
        )
