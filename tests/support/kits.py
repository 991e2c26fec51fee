"""The receiver kits of docs/receivers, run as an owner runs them, and what a till sends them."""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Self
from uuid import uuid4

import pytest

from core.domain.identity import delivery_id
from core.domain.signing import SIGNATURE_HEADER, Secret, build_body, wire_time
from tests.support.fastcgi import ask
from tests.support.programs import find_program, needs
from tests.support.scene import NOON
from tests.support.services import Brevo, Mailchimp, Produits, Shopify, Slack, WooCommerce
from tests.support.waiting import PATIENCE, wait_until

RECEIVERS = Path(__file__).parents[2] / "docs" / "receivers"
LANGUAGES = [
    "python",
    pytest.param("node", marks=needs("node", "nodejs")),
    pytest.param("php", marks=needs("php", "php-cli")),
]
SECRET = Secret("whsec_" + "a1B2c3D4" * 5 + "e5F6")

_LISTENS = re.compile(r"listening on port|Development Server .* started")


def delivery(
    number: int, event: str, payload: dict[str, Any], created_at: datetime | None = None
) -> bytes:
    """A body as it is on the wire; a greater number was published later."""
    at = created_at or NOON + timedelta(seconds=number)
    uuid = delivery_id(int((NOON + timedelta(seconds=number)).timestamp() * 1e6), number, 1)
    return build_body(event, str(uuid), wire_time(at), json.dumps(payload).encode())


class Kit(AbstractContextManager["Kit"]):
    """A kit with one handler, running, in a folder of its own; its settings are `env`."""

    def __init__(self, language: str, handler: str, folder: Path, **env: str) -> None:
        self.language, self.handler = language, handler
        self.folder = folder / "aurapos"
        self.secret = SECRET
        self._env = env
        self._log_path = folder / "kit.log"
        self._held = _reserved()
        self._port = self._held.getsockname()[1]
        self._processes: list[subprocess.Popen[bytes]] = []
        self._cron: _Cron | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._held.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/receiver.php"

    def start(self) -> None:
        """On the same port as before, as after a restart of its machine."""
        argv = {
            "python": [sys.executable, "receiver.py", self.handler],
            "node": ["node", "receiver.js", self.handler],
            "php": ["php", "-S", f"127.0.0.1:{self._port}", "receiver.php"],
        }[self.language]
        if sys.platform != "linux":
            self._held.close()
        begin = len(self._log())
        self._processes.append(process := self._popen(argv))
        wait_until(lambda: _LISTENS.search(self._log(), begin) or process.poll() is not None)
        assert process.poll() is None, self._log()
        if self.language == "php":
            self._cron = _Cron(lambda: self._popen(["php", "receiver.php", "work"]))

    def kill(self) -> None:
        """With SIGKILL, whatever it is doing."""
        for process in self._processes:
            process.kill()
        if self._cron is not None:
            self._cron.kill()
        for process in self._processes:
            process.wait()
        self._processes, self._cron = [], None

    def restart(self) -> None:
        self.kill()
        self.start()

    def post(self, body: bytes, signature: str | None = "") -> int:
        """The status it answers with; 0 where it ends without an answer. "" is the right one."""
        headers = {"Content-Type": "application/json"}
        if signature is not None:
            headers[SIGNATURE_HEADER] = signature or self.secret.sign(body)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request("POST", "/receiver.php", body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def take(self, *bodies: bytes) -> None:
        for body in bodies:
            assert self.post(body) == 200

    def take_and_do(self, *bodies: bytes) -> None:
        self.take(*bodies)
        self.await_work()

    def await_work(self) -> None:
        wait_until(lambda: not self.names("inbox"))

    def names(self, folder: str) -> list[str]:
        """The deliveries that are in there."""
        return sorted(path.stem for path in (self.folder / folder).glob("*.json"))

    def bridge(self, lines: bytes) -> subprocess.CompletedProcess[bytes]:
        argv = {
            "python": [sys.executable, "receiver.py", self.handler, "bridge"],
            "node": ["node", "receiver.js", self.handler, "bridge"],
            "php": ["php", "receiver.php", "bridge"],
        }[self.language]
        return subprocess.run(
            argv,
            input=lines,
            capture_output=True,
            cwd=RECEIVERS / self.language,
            env=self._environment(),
            timeout=PATIENCE,
            check=False,
        )

    def _popen(self, argv: list[str]) -> "subprocess.Popen[bytes]":
        with self._log_path.open("ab") as log:
            folder = RECEIVERS / self.language
            return subprocess.Popen(argv, cwd=folder, env=self._environment(), stderr=log)

    def _log(self) -> str:
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AURAPOS_SECRET": self.secret.reveal(),
            "AURAPOS_FOLDER": str(self.folder),
            "AURAPOS_HANDLER": self.handler,
            "PORT": str(self._port),
            "RETRY_SECONDS": "0.1",
            "SHOP_TIMEZONE": "Europe/Brussels",
            **self._env,
        }


class FpmKit(Kit):
    """PHP's kit under PHP-FPM, with no cron beside it; what a web server would be asks for it."""

    def __init__(self, handler: str, folder: Path, **env: str) -> None:
        super().__init__("php", handler, folder, **env)
        self._socket = Path(gettempdir()) / f"aurapos-fpm-{uuid4().hex[:12]}"  # a short path
        self._config = folder / "fpm.conf"

    def start(self) -> None:
        account = "user = root\n" if os.geteuid() == 0 else ""
        self._config.write_text(
            f"[global]\nerror_log = {self._log_path}\n"
            f"[shop]\nlisten = {self._socket}\n{account}clear_env = no\n"
            "pm = static\npm.max_children = 2\n"
        )
        fpm = find_fpm()
        assert fpm is not None, "install php-fpm"
        argv = [fpm, "--nodaemonize", "--allow-to-run-as-root", "--fpm-config", str(self._config)]
        self._processes.append(process := self._popen(argv))
        wait_until(lambda: self._socket.exists() or process.poll() is not None)
        assert process.poll() is None, self._log()

    def kill(self) -> None:
        for process in self._processes:
            process.terminate()  # it ends its children too
            process.wait(PATIENCE)
        self._processes = []
        self._socket.unlink(missing_ok=True)

    def post(self, body: bytes, signature: str | None = "") -> int:
        variables = {
            "GATEWAY_INTERFACE": "CGI/1.1",
            "REQUEST_METHOD": "POST",
            "SCRIPT_FILENAME": str(RECEIVERS / "php" / "receiver.php"),
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
        }
        if signature is not None:
            variables["HTTP_X_AURAPOS_SIGNATURE"] = signature or self.secret.sign(body)
        return ask(self._socket, variables, body)


def find_fpm() -> str | None:
    """PHP-FPM, which Debian calls by its version."""
    named = find_program("php-fpm") or max(map(str, Path("/usr/sbin").glob("php-fpm*")), default="")
    return named or None


def needs_fpm() -> pytest.MarkDecorator:
    """As `needs`."""
    is_missing = find_fpm() is None and "CI" not in os.environ
    return pytest.mark.skipif(is_missing, reason="there is no php-fpm here: install php-fpm")


def _reserved() -> socket.socket:
    """Holds a port: the system gives it to nobody, and whoever names it may listen on it.

    So a kit finds it free after a restart. Only Linux lets a server listen beside it.
    """
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return held


def for_slack(slack: Slack) -> dict[str, str]:
    return {"SLACK_URL": f"{slack.url}/services/T0/B0/x"}


def for_brevo(brevo: Brevo) -> dict[str, str]:
    return {"BREVO_URL": brevo.url, "BREVO_API_KEY": brevo.KEY, "BREVO_LIST_ID": "7"}


def for_mailchimp(mailchimp: Mailchimp) -> dict[str, str]:
    return {
        "MAILCHIMP_URL": mailchimp.url,
        "MAILCHIMP_API_KEY": mailchimp.KEY,
        "MAILCHIMP_LIST_ID": mailchimp.LIST,
    }


def for_shopify(produits: Produits, shop: Shopify) -> dict[str, str]:
    return {
        "AURAPOS_API": produits.url,
        "AURAPOS_API_KEY": produits.KEY,
        "SHOPIFY_URL": shop.url,
        "SHOPIFY_SHOP": "chez-marie.myshopify.com",
        "SHOPIFY_TOKEN": shop.TOKEN,
    }


def for_woocommerce(produits: Produits, shop: WooCommerce) -> dict[str, str]:
    return {
        "AURAPOS_API": produits.url,
        "AURAPOS_API_KEY": produits.KEY,
        "SHOP_URL": shop.url,
        "SHOP_KEY": shop.LOGIN[0],
        "SHOP_SECRET": shop.LOGIN[1],
    }


class _Cron:
    """Runs it again and again, one at a time, as cron does every minute."""

    def __init__(self, run: Callable[[], "subprocess.Popen[bytes]"]) -> None:
        self._run = run
        self._ended = False
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()

    def kill(self) -> None:
        with self._lock:
            self._ended = True
            if self._process is not None:
                self._process.kill()
        self._thread.join()

    def _go_on(self) -> None:
        while True:
            with self._lock:
                if self._ended:
                    return
                self._process = self._run()
            self._process.wait()


@contextmanager
def killed_when(kit: Kit, reached: threading.Event) -> Iterator[None]:
    """Kill the kit once the block has made it reach that point."""
    yield
    assert reached.wait(PATIENCE)
    kit.kill()


NewKit = Callable[..., Kit]
"""Starts the kit of a language with a handler and its settings."""
