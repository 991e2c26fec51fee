"""What an operator should know about the place where the bound database is."""

from pathlib import Path

from core.errors import BadDatabase
from core.storage.database import connection, is_postgres, proxy, sqlite_path

_MOUNTS = Path("/proc/self/mountinfo")
_OVER_A_NETWORK = frozenset(
    {"9p", "afs", "ceph", "cifs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs"}
    | {"lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb2", "smb3", "smbfs"}
)
_LIMITS = """
    SELECT rolconnlimit, datconnlimit FROM pg_roles, pg_database
    WHERE rolname = session_user AND NOT rolsuper AND datname = current_database()
"""


def described() -> str:
    """Which engine it is, and what stands between us and it. Raises BadDatabase where we cannot
    work so.
    """
    if not is_postgres():
        return "SQLite"
    with connection():
        pooled = proxy.is_pooled
        if proxy.execute_sql("SELECT pg_is_in_recovery()").fetchone()[0]:
            raise BadDatabase(
                "The database is a standby, where nothing can be written: name its primary in "
                "[database] url."
            )
    return "PostgreSQL, behind PgBouncer or another pooler" if pooled else "PostgreSQL"


def connections_allowed() -> int | None:
    """How many connections PostgreSQL allows our role, or all roles to this database, whichever is
    less. None where neither has a limit, for superusers, behind a pooler, and on SQLite.
    """
    if not is_postgres() or proxy.is_pooled:
        return None
    with connection():
        limits = proxy.execute_sql(_LIMITS).fetchone() or ()
    return min((limit for limit in limits if limit >= 0), default=None)


def network_of(url: str, mounts: str | None = None) -> str | None:
    """The kind of network file system that an SQLite file is on; None where it is on a disk."""
    path = sqlite_path(url)
    if mounts is None and _MOUNTS.exists():
        mounts = _MOUNTS.read_text()
    if path is None or not mounts:
        return None
    kind = _kind_of_mount(path.resolve(), mounts)
    return kind if kind in _OVER_A_NETWORK else None


def _kind_of_mount(path: Path, mounts: str) -> str:
    """The kind of the deepest mount that the path is on; of two mounts in one place the later
    counts.
    """
    deepest, kind = Path(), ""
    for line in mounts.splitlines():
        where, _, what = line.partition(" - ")
        point = Path(where.split()[4].replace("\\040", " "))
        if path.is_relative_to(point) and len(point.parts) >= len(deepest.parts):
            deepest, kind = point, what.split()[0]
    return kind
