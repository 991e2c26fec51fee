"""Stand-ins for what owners connect to, which answer as the real ones do.

Each keeps what it took in, and may be told to stand still before or after that, so that a test can
end whoever waits for the answer. Its docstring names where its answers are written down.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.waiting import PATIENCE


@dataclass(frozen=True)
class Asked:
    """One request to a service."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]  # by lower-case name
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


Said = tuple[int, Any]
"""A status, and a text or a JSON document."""


class Service:
    """What all of them share: one request at a time, and standing still where a test wants it."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Asked] = []
        self.failing: Said | None = None  # what it answers while it is out of order
        self._lock = threading.Lock()
        self._halt: tuple[str, str, threading.Event, threading.Event] | None = None

    def answer(self, asked: Asked) -> Said:
        raise NotImplementedError

    def receive(self, asked: Asked) -> Said:
        self._pass("before", asked.method)
        with self._lock:
            self.asked.append(asked)
            said = self.failing or self.answer(asked)
        self._pass("after", asked.method)
        return said

    @contextmanager
    def standing_still(self, when: str, method: str) -> Iterator[threading.Event]:
        """The next such request is held `before` or `after` it is acted on; the event says so.

        When the block ends a request held before is acted on all the same: it was on its way.
        """
        reached, go = threading.Event(), threading.Event()
        self._halt = (when, method, reached, go)
        try:
            yield reached
        finally:
            self._halt = None
            go.set()

    def _pass(self, when: str, method: str) -> None:
        if self._halt is None:
            return
        *where, reached, go = self._halt
        if where == [when, method]:
            reached.set()
            go.wait(PATIENCE)


class Slack(Service):
    """An incoming webhook of Slack's.

    200 `ok`, 400 `invalid_payload` and `no_text`:
    https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks and
    https://api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
    """

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def answer(self, asked: Asked) -> Said:
        try:
            document = asked.document
        except ValueError:
            return 400, "invalid_payload"
        if not isinstance(document, dict):
            return 400, "invalid_payload"
        if not document.get("text"):
            return 400, "no_text"
        self.messages.append(document["text"])
        return 200, "ok"


class Brevo(Service):
    """Brevo's contacts: https://developers.brevo.com/reference/createcontact

    201 with an id for a new address, 204 for one that is brought up to date, 400
    `duplicate_parameter` where that was not asked for, 401 `unauthorized` with another key.
    """

    KEY = "xkeysib-0123"

    def __init__(self) -> None:
        super().__init__()
        self.contacts: dict[str, dict[str, Any]] = {}
        self.created: list[str] = []  # the addresses, each time one was new

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("api-key") != self.KEY:
            return 401, {"message": "Key not found", "code": "unauthorized"}
        if (asked.method, asked.path) != ("POST", "/v3/contacts"):
            return 404, {"code": "document_not_found", "message": "Route does not exist"}
        contact = asked.document
        email = str(contact.get("email", "")).lower()
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
            return 400, {"code": "invalid_parameter", "message": "Invalid email address"}
        if email not in self.contacts:
            self.contacts[email] = contact
            self.created.append(email)
            return 201, {"id": len(self.contacts)}
        if not contact.get("updateEnabled"):
            return 400, {
                "code": "duplicate_parameter",
                "message": "Unable to create contact, email is already associated with another "
                "Contact",
                "metadata": {"duplicate_identifiers": ["email"]},
            }
        self.contacts[email] = contact
        return 204, ""


class Mailchimp(Service):
    """A Mailchimp audience's members, by the MD5 of their address:
    https://mailchimp.com/developer/marketing/api/list-members/add-or-update-list-member/

    200 with the member, 400 `Invalid Resource`, 401 `API Key Invalid`; the problem documents are
    those of https://mailchimp.com/developer/marketing/docs/errors/
    """

    KEY, LIST = "0123456789abcdef-us6", "a1b2c3d4e5"

    def __init__(self) -> None:
        super().__init__()
        self.members: dict[str, dict[str, Any]] = {}
        self.created: list[str] = []

    def answer(self, asked: Asked) -> Said:
        scheme, _, login = asked.headers.get("authorization", "").partition(" ")
        if scheme != "Basic" or not base64.b64decode(login).endswith(f":{self.KEY}".encode()):
            return self._problem(401, "API Key Invalid", "Your API key may be invalid.")
        prefix, _, member_id = asked.path.rpartition("/")
        if (asked.method, prefix) != ("PUT", f"/3.0/lists/{self.LIST}/members"):
            return self._problem(404, "Resource Not Found", "The requested resource is not here.")
        told = asked.document
        email = told["email_address"]
        digest = hashlib.md5(email.lower().encode())  # noqa: S324 - Mailchimp's own choice
        if digest.hexdigest() != member_id or "@" not in email:
            return self._problem(400, "Invalid Resource", f"{email} looks fake or invalid.")
        if member_id not in self.members:
            if "status_if_new" not in told:
                return self._problem(400, "Invalid Resource", "status_if_new is needed.")
            self.created.append(email)
            self.members[member_id] = {"id": member_id, "status": told["status_if_new"]}
        self.members[member_id] |= {"email_address": email, "merge_fields": told["merge_fields"]}
        return 200, self.members[member_id]

    def _problem(self, status: int, title: str, detail: str) -> Said:
        kind = "https://mailchimp.com/developer/marketing/docs/errors/"
        return status, {"type": kind, "title": title, "status": status, "detail": detail}


class Produits(Service):
    """AuraPOS's own API, where receivers pull a product: `GET /api/v1/produits/{id}`.

    Its key, and 429 beyond 60 requests a minute: https://aurapos.be/en/docs/api-publique
    """

    KEY = "ak_" + "01" * 32

    def __init__(self) -> None:
        super().__init__()
        self.produits: dict[str, dict[str, Any]] = {}

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("x-api-key") != self.KEY:
            return 401, {"error": "unauthorized"}
        folder, _, produit_id = asked.path.rpartition("/")
        if (asked.method, folder) != ("GET", "/api/v1/produits"):
            return 404, {"error": "not found"}
        if produit_id not in self.produits:
            return 404, {"error": "no such produit"}
        return 200, self.produits[produit_id]


class WooCommerce(Service):
    """A shop's products: https://woocommerce.github.io/woocommerce-rest-api-docs/#products

    A list by SKU, 201 for a new product, 200 for a changed one, 400 `product_invalid_sku` for a
    SKU that is taken, 401 for another login.
    """

    LOGIN = ("ck_0123", "cs_4567")

    def __init__(self) -> None:
        super().__init__()
        self.products: dict[int, dict[str, Any]] = {}

    def answer(self, asked: Asked) -> Said:
        login = base64.b64encode(":".join(self.LOGIN).encode()).decode()
        if asked.headers.get("authorization") != f"Basic {login}":
            return self._error(401, "woocommerce_rest_cannot_view", "Sorry, you cannot.")
        match asked.method, asked.path.removeprefix("/wp-json/wc/v3/products").split("/"):
            case "GET", [""]:
                return 200, self._with_sku(asked.query["sku"][0])
            case "POST", [""]:
                if self._with_sku(asked.document["sku"]):
                    return self._error(400, "product_invalid_sku", "Invalid or duplicated SKU.")
                number = len(self.products) + 1
                self.products[number] = {"id": number} | asked.document
                return 201, self.products[number]
            case "PUT", ["", number] if int(number) in self.products:
                self.products[int(number)] |= asked.document
                return 200, self.products[int(number)]
        return self._error(404, "rest_no_route", "No route was found.")

    def _with_sku(self, sku: str) -> list[dict[str, Any]]:
        return [product for product in self.products.values() if product["sku"] == sku]

    def _error(self, status: int, code: str, message: str) -> Said:
        return status, {"code": code, "message": message, "data": {"status": status}}


class Shopify(Service):
    """The Admin API's `productSet`, which makes or changes the product of a handle:
    https://shopify.dev/docs/api/admin-graphql/latest/mutations/productSet

    401 with another token; all else is a 200: `errors` where it is too much at once
    (https://shopify.dev/docs/api/usage/limits), `userErrors` for values that are wrong.
    """

    TOKEN = "shpat_0123"
    THROTTLED = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}

    def __init__(self) -> None:
        super().__init__()
        self.products: dict[str, tuple[str, str]] = {}  # title and price, by handle
        self.created = 0

    def answer(self, asked: Asked) -> Said:
        if asked.headers.get("x-shopify-access-token") != self.TOKEN:
            return 401, {"errors": "[API] Invalid API key or access token"}
        if not re.fullmatch(r"/admin/api/20\d\d-\d\d/graphql\.json", asked.path):
            return 404, {"errors": "Not Found"}
        assert "productSet(identifier: {handle: $handle}" in asked.document["query"]
        given = asked.document["variables"]
        title, [variant] = given["input"]["title"], given["input"]["variants"]
        wrong = [] if title else [{"field": ["input", "title"], "message": "Title can't be blank"}]
        if title:
            self.created += given["handle"] not in self.products
            self.products[given["handle"]] = title, variant["price"]
        return 200, {"data": {"productSet": {"userErrors": wrong}}}


class Zapier(Service):
    """A Catch Hook, which answers success to whatever comes, whether a Zap is on or not:
    https://github.com/zapier/visual-builder/issues/133
    """

    def answer(self, _: Asked) -> Said:
        number = f"{len(self.asked):08}-4a68-41d3-94ac-5a36fb3a9df7"
        return 200, {"id": number, "request_id": number, "attempt": number, "status": "success"}


class Make(Service):
    """A custom webhook: 200 `Accepted`, 410 once no scenario has used it for five days:
    https://help.make.com/webhooks
    """

    def answer(self, _: Asked) -> Said:
        return 200, "Accepted"


@contextmanager
def serving(*services: Service) -> Iterator[None]:
    """Each of them on a port of its own on 127.0.0.1, until the block ends."""
    servers = [_Server(service) for service in services]
    try:
        yield
    finally:
        for server in servers:
            server.end()


class _Server:
    def __init__(self, service: Service) -> None:
        handler = type("Handler", (_Handler,), {"service": service})
        self._server = _Threading(("127.0.0.1", 0), handler)
        service.url = f"http://127.0.0.1:{self._server.server_port}"
        serve = self._server.serve_forever
        self._thread = threading.Thread(target=serve, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def end(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Threading(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a kept connection may idle


@dataclass
class _Reply:
    status: int
    said: Any
    kind: str = field(init=False)
    body: bytes = field(init=False)

    def __post_init__(self) -> None:
        is_text = isinstance(self.said, str)
        self.kind = "text/html" if is_text else "application/json"
        self.body = (self.said if is_text else json.dumps(self.said)).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30  # seconds a kept connection may idle
    service: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, url.path, parse_qs(url.query), headers, body)
        reply = _Reply(*self.service.receive(asked))
        try:
            self._answer(reply)
        except OSError:
            self.close_connection = True  # whoever asked was ended by the test

    do_GET = do_PUT = do_POST  # noqa: N815 - the names are http.server's

    def _answer(self, reply: _Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, *_: object) -> None:
        """What was asked is in `asked`."""
