"""The recipes of docs/integrating.md, as they stand there: what commits is delivered, what is
rolled back never was.
"""

import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from core.storage.database import sqlite_path
from tests.support.installation import Installation, Storage
from tests.support.programs import needs
from tests.support.scripted import Scripted
from tests.support.waiting import AT_ONCE, PATIENCE, wait_until

pytestmark = [needs("php", "php-cli"), needs("node", "nodejs")]
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "integrating.md"
NODE_MODULES = ROOT / ".venv" / "node" / "node_modules"
SALE = "CREATE TABLE sale (id {} PRIMARY KEY)"
GOOD = {"numero": 1, "total_tvac": 55.1, "client": "Zoé"}
BAD = {"numero": 2, "total_tvac": -1.5}
LATER = {"numero": 3, "total_tvac": 2.5}


def recipe(heading: str) -> str:
    """The code under that heading."""
    part = DOCS.read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    [code] = re.findall(r"```(?:python|php|js)\n(.*?)```", part, re.DOTALL)
    return str(code)


@dataclass
class Shop:
    """A program of its own beside the installation, in its database."""

    installed: Installation
    url: str

    @property
    def file(self) -> str:
        path = sqlite_path(self.url)
        return "" if path is None else str(path)

    @property
    def kind(self) -> str:
        return "SQLite" if self.file else "PostgreSQL"

    def make_table(self) -> None:
        if self.file:
            with closing(sqlite3.connect(self.file, timeout=PATIENCE)) as database:
                database.execute(SALE.format("INTEGER"))
        else:
            with psycopg.connect(self.url) as database:
                database.execute("DROP TABLE IF EXISTS sale")
                database.execute(SALE.format("SERIAL"))

    def sales(self) -> int:
        query = "SELECT count(*) FROM sale"
        if self.file:
            with closing(sqlite3.connect(self.file, timeout=PATIENCE)) as database:
                return int(database.execute(query).fetchone()[0])
        with psycopg.connect(self.url) as database:
            row = database.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def drop_table(self) -> None:
        if not self.file:
            with psycopg.connect(self.url) as database:
                database.execute("DROP TABLE sale")

    def run(self, name: str, code: str, *argv: str, **more: str) -> None:
        """That code, by that program; it ends well."""
        path = self.installed.folder / name
        path.write_text(code)
        environment = {
            **os.environ,
            "SHOP_DATABASE": self.file or self.url,
            "SHOP_URL": self.url,
            "SHOP_FILE": self.file,
            **more,
        }
        done = subprocess.run(
            [*argv, str(path)],
            env=environment,
            cwd=self.installed.folder,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()


@pytest.fixture
def shop(installed: Installation, storage: Storage) -> Any:
    made = Shop(
        installed, storage.database or f"sqlite:///{installed.folder / 'aurapos-webhooks.db'}"
    )
    made.make_table()
    yield made
    made.drop_table()


SELL: dict[str, Callable[[Shop], None]] = {}


def sells(function: Callable[[Shop], None]) -> Callable[[Shop], None]:
    """It sells three times by a recipe; the second sale is rolled back."""
    SELL[function.__name__] = function
    return function


@pytest.mark.parametrize(
    "by",
    ["driver", "library", "fastapi", "django", "php", "node"],
)
def test_what_commits_is_delivered_at_once_and_what_is_rolled_back_never_was(
    shop: Shop, receiver: Scripted, by: str
) -> None:
    """The worker is rung: none waits for its tick."""
    shop.installed.add_webhook(receiver.url)
    with shop.installed.worker() as worker:
        worker.wait_for("worker started")
        SELL[by](shop)
        wait_until(lambda: len(receiver.requests) == 2, AT_ONCE)
        assert worker.stop() == 0
    bodies = [json.loads(request.body) for request in receiver.requests]
    told = {body["payload"]["numero"]: body["payload"] for body in bodies}
    assert told == {1: GOOD, 3: LATER}
    assert {body["event"] for body in bodies} == {"ticket.created"}
    assert shop.sales() == 2, "of the one that was rolled back there is neither"


def require(reason: str, *argv: str, cwd: Path = ROOT) -> None:
    """Skip where this fails, with a word of why: on CI nothing is skipped."""
    done = subprocess.run(argv, cwd=cwd, capture_output=True, timeout=PATIENCE, check=False)
    if done.returncode:
        (pytest.fail if "CI" in os.environ else pytest.skip)(reason)


PYTHON = """
import json, sys
GOOD, BAD, LATER = json.loads({tickets!r})
{code}
def expect_failure(sell):
    try:
        sell()
    except Exception as error:
        assert "negative" in str(error), error
    else:
        raise AssertionError("it went well")
"""
TICKETS = json.dumps([GOOD, BAD, LATER])


def python(code: str, calls: str) -> str:
    return PYTHON.format(tickets=TICKETS, code=code) + calls


@sells
def driver(shop: Shop) -> None:
    calls = """
def sell(ticket):
    with connect() as shop:
        shop.execute("INSERT INTO sale DEFAULT VALUES")
        publish(shop, "ticket.created", ticket, f"ticket-{ticket['numero']}")
        if ticket["total_tvac"] < 0:
            raise ValueError("A sale cannot be negative.")
sell(GOOD)
expect_failure(lambda: sell(BAD))
sell(LATER)
"""
    shop.run("x.py", python(recipe(f"Python, with {shop.kind}"), calls), sys.executable, "-I")


@sells
def library(shop: Shop) -> None:
    calls = "sell(GOOD)\nexpect_failure(lambda: sell(BAD))\nsell(LATER)\n"
    shop.run("x.py", python(recipe("Python, with this program's library"), calls), sys.executable)


@sells
def fastapi(shop: Shop) -> None:
    (shop.installed.folder / "aurapos.py").write_text(recipe(f"Python, with {shop.kind}"))
    calls = """
from fastapi.testclient import TestClient
client = TestClient(app)
assert [client.post("/sales", json=each).status_code for each in (GOOD, BAD, LATER)] == [
    200, 422, 200
]
"""
    shop.run("x.py", python(recipe("FastAPI"), calls), sys.executable)


@sells
def django(shop: Shop) -> None:
    if shop.file:
        database = {"ENGINE": "sqlite3", "NAME": shop.file, "OPTIONS": {"timeout": 30}}
    else:
        parts = conninfo_to_dict(shop.url)
        names = {"NAME": "dbname", "USER": "user", "HOST": "host", "PORT": "port"}
        database = {"ENGINE": "postgresql"} | {key: parts.get(of, "") for key, of in names.items()}
    database["ENGINE"] = f"django.db.backends.{database['ENGINE']}"
    settings = f"""
from django.conf import settings
settings.configure(DATABASES={{"default": {database!r}}})
import django
django.setup()
"""
    calls = "sell(GOOD)\nexpect_failure(lambda: sell(BAD))\nsell(LATER)\n"
    shop.run("x.py", python(settings + recipe("Django"), calls), sys.executable, "-I")


@sells
def php(shop: Shop) -> None:
    driver = "sqlite" if shop.file else "pgsql"
    check = f"exit(extension_loaded('pdo_{driver}') ? 0 : 1);"
    require(f"PHP has no pdo_{driver} here: install php-{driver}", "php", "-r", check)
    if shop.file:
        opened = "new PDO('sqlite:' . getenv('SHOP_FILE'))"
        more = "$shop->exec('PRAGMA busy_timeout = 30000');"
    else:
        parts = conninfo_to_dict(shop.url)
        dsn = ";".join(
            f"{each}={parts[each]}" for each in ("host", "port", "dbname", "user") if each in parts
        )
        opened, more = f"new PDO('pgsql:{dsn}')", ""
    calls = f"""
$shop = {opened};
{more}
[$good, $bad, $later] = json_decode('{TICKETS}', true);
$file = getenv('SHOP_FILE');
sell($shop, $good, $file);
try {{
    sell($shop, $bad, $file);
    exit(3);
}} catch (DomainException $error) {{
}}
sell($shop, $later, $file);
"""
    shop.run("x.php", recipe("PHP") + calls, "php")


@sells
def node(shop: Shop) -> None:
    (shop.installed.folder / "node_modules").symlink_to(NODE_MODULES)
    if shop.file:
        asked = "await import('node:sqlite').catch(() => import('libsql'))"
        opened = "const shop = open(process.env.SHOP_FILE);"
    else:
        asked = "await import('pg')"
        opened = """
import pg from "pg";
const shop = new pg.Client(process.env.SHOP_URL);
await shop.connect();
"""
    reason = "Node has no driver for its database here: install npm, then make test"
    require(reason, "node", "--input-type=module", "-e", asked, cwd=shop.installed.folder)
    calls = f"""
{opened}
const [good, bad, later] = {TICKETS};
await sell(shop, good, process.env.SHOP_FILE);
let failed = false;
try {{
  await sell(shop, bad, process.env.SHOP_FILE);
}} catch (error) {{
  failed = /negative/.test(error);
}}
if (!failed) process.exit(3);
await sell(shop, later, process.env.SHOP_FILE);
await shop.end?.();
"""
    shop.run("x.mjs", recipe(f"Node, with {shop.kind}") + calls, "node")


@pytest.mark.parametrize("storage", ["servers"], indirect=True)
def test_the_rights_to_five_columns_are_enough(shop: Shop, receiver: Scripted) -> None:
    """And give no others: such a role neither reads nor changes anything."""
    [grants] = re.findall(r"```sql\n(GRANT.*?)```", DOCS.read_text(), re.DOTALL)
    [insert] = re.findall(r"```sql\n(INSERT.*?)```", DOCS.read_text(), re.DOTALL)
    role = f"shop_{uuid4().hex}"
    shop.installed.add_webhook(receiver.url)
    with psycopg.connect(shop.url, autocommit=True) as owner:
        owner.execute(f"CREATE ROLE {role}")
        owner.execute(grants.replace("TO shop", f"TO {role}"))
        try:
            with psycopg.connect(shop.url, autocommit=True) as connection:
                connection.execute(f"SET ROLE {role}")
                row = (1, "ticket.created", b"{}", "k", 0)
                for _ in range(2):
                    connection.execute(insert.replace("?", "%s"), row)
                for statement in (
                    "SELECT * FROM event",
                    "UPDATE event SET payload = ''",
                    "INSERT INTO event (digest) VALUES (1)",
                    "SELECT * FROM webhook",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(statement)
        finally:
            owner.execute(f"DROP OWNED BY {role}")
            owner.execute(f"DROP ROLE {role}")
    assert shop.installed.json("tick")["delivered"] == 1
