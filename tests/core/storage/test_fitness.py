"""Where the database really is: what doctor says of it."""

from pathlib import Path

import pytest

from core.storage.fitness import described, network_of

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:26 / /srv/till rw,relatime shared:5 - nfs4 server:/till rw
31 30 0:27 / /srv/till/local rw,relatime - xfs /dev/sdb1 rw
32 22 0:28 / /mnt/with\\040space rw - cifs //nas/share rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/till/a.db", "nfs4"),
        ("/srv/till/local/a.db", None),
        ("/srv/tillage/a.db", None),
        ("/mnt/with space/deep/a.db", "cifs"),
        ("/a.db", None),
    ],
)
def test_a_file_on_a_network_file_system_is_told(path: str, kind: str | None) -> None:
    assert network_of(f"sqlite:///{path}", MOUNTS) == kind


def test_postgresql_is_on_none_of_ours() -> None:
    assert network_of("postgresql://db/a", MOUNTS) is None


def test_this_machine_s_own_mounts_can_be_read(tmp_path: Path) -> None:
    assert network_of(f"sqlite:///{tmp_path / 'a.db'}") in {None, "9p"}


def test_the_engine_is_named(database: str, engine: str) -> None:
    assert database
    assert described() == {"sqlite": "SQLite", "postgres": "PostgreSQL"}[engine]
