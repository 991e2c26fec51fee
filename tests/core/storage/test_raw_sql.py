"""SQL is written out in `core/storage` alone: everybody else calls what it is there for."""

import ast
from pathlib import Path

import pytest

CORE = Path(__file__).parents[3] / "core"
RAW = {"SQL", "NodeList", "execute_sql", "proxy"}
WHOLE_DATABASES = {"backup.py", "copying.py"}
"""What is about files and tables as a whole, whatever is in them, and reads through a driver."""


def elsewhere() -> list[Path]:
    files = (path for path in CORE.rglob("*.py") if "storage" not in path.parts)
    return sorted(path for path in files if path.name not in WHOLE_DATABASES)


@pytest.mark.parametrize("path", elsewhere(), ids=lambda path: str(path.relative_to(CORE)))
def test_no_sql_is_written_out_outside_of_storage(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not names & RAW
