"""A receiver of AuraPOS webhooks that needs Python 3.11 and nothing else.

    AURAPOS_SECRET=whsec_… PORT=8080 python3 receiver.py slack   (or another handler of this folder)

A delivery is verified, kept as a file and answered; the work is done after that, in the order in
which things happened. Killed at any moment, it goes on where it was. In AURAPOS_FOLDER there are
    inbox/    what has arrived and is still to be done
    done/     what was done: the names are the ids that are remembered
    failed/   what was given up; move it back into inbox/ to have it tried once more
    latest/   the newest change that was seen of each customer, ticket, product …
It listens on 127.0.0.1: put the web server that has your certificate in front of it.
"""

import hashlib
import hmac
import importlib
import json
import os
import sys
import threading
import time
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib import error, request
from uuid import UUID

SECRET = os.environ["AURAPOS_SECRET"].encode() or os.urandom(32)  # with none nobody is believed
FOLDER = Path(os.environ.get("AURAPOS_FOLDER", "aurapos"))
INBOX, DONE, FAILED, LATEST = (FOLDER / name for name in ("inbox", "done", "failed", "latest"))
DAY = 24 * 3600  # seconds
PERMANENT = {400, 404, 409, 410, 422}  # the same request would get the same answer again
arrived = threading.Event()


def is_signed(body, signature):
    """Whether AuraPOS sent exactly these bytes."""
    expected = "sha256=" + hmac.new(SECRET, body, "sha256").hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


def keep(body):
    """Have a delivery on the disk, unless it is known. Its id is the body's, which is signed."""
    delivery = json.loads(body)
    name = f"{UUID(delivery['delivery_id'])}.json"
    is_test = delivery["event"] == "ping" or delivery["payload"].get("sample") is True
    if not is_test and not any((folder / name).exists() for folder in (INBOX, DONE, FAILED)):
        write(INBOX / name, body)


def write(path, data):
    """On the disk as a whole or not at all, even if the power fails."""
    temporary = path.with_name(f".{path.name}.{threading.get_ident()}")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def is_late(delivery):
    """Whether a newer change of the same object was seen. Ids sort in the order of publication."""
    payload, kind = delivery["payload"], delivery["event"].partition(".")[0]
    names = [payload[key] for key in ("id", "numero", "reference", "code") if key in payload]
    path = LATEST / hashlib.sha256(f"{kind} {names[:1]}".encode()).hexdigest()
    if names and path.exists() and path.read_text() > delivery["delivery_id"]:
        return True
    write(path, delivery["delivery_id"].encode())
    return False


def work(handler):
    """Do what is in the inbox, oldest first. What fails is tried for a day; wrong values once."""
    for path in sorted(INBOX.glob("*.json")):
        delivery = json.loads(path.read_bytes(), parse_float=Decimal)
        try:
            if not (DONE / path.name).exists() and (handler.EVERY_EVENT or not is_late(delivery)):
                handler.handle(delivery, call)
            path.replace(DONE / path.name)
        except Exception as problem:
            print(delivery["event"], path.stem, problem, file=sys.stderr)
            if isinstance(problem, BlockingIOError):
                return  # it asked for a pause
            if isinstance(problem, ValueError) or time.time() - path.stat().st_mtime > DAY:
                path.replace(FAILED / path.name)


def call(method, url, document=None, headers=None):
    """Ask a service: what it answered, read as JSON where it is. Anything but 2xx raises."""
    data = None if document is None else json.dumps(document).encode()
    asked = request.Request(url, data, {"Content-Type": "application/json", **(headers or {})})
    asked.method = method
    try:
        with request.urlopen(asked, timeout=30) as answer:
            text = answer.read().decode()
    except error.HTTPError as answer:
        told = f"{asked.host} answered {answer.code} {answer.read(300).decode(errors='replace')}"
        kinds = {429: BlockingIOError, **dict.fromkeys(PERMANENT, ValueError)}
        raise kinds.get(answer.code, OSError)(told) from None
    return json.loads(text, parse_float=Decimal) if text[:1] in {"{", "["} else text


def forget():
    """Remove what is older than anything that AuraPOS still sends again."""
    for path in (*DONE.iterdir(), *LATEST.iterdir()):
        if time.time() - path.stat().st_mtime > 100 * DAY:
            path.unlink()


class Receiver(BaseHTTPRequestHandler):
    timeout = 10  # seconds a client may be silent

    def do_POST(self):
        length = int(self.headers.get("Content-Length", "0"))
        body = self.rfile.read(length) if 0 <= length <= 2**21 else b""
        status = 200 if is_signed(body, self.headers.get("X-AuraPOS-Signature", "")) else 401
        try:
            if status == 200:
                keep(body)
        except (ValueError, KeyError, TypeError, AttributeError):
            status = 400  # signed, but no event: the webhook has another format than the default
        self.send_response(status)
        self.end_headers()
        arrived.set()


def main():
    for folder in (INBOX, DONE, FAILED, LATEST):
        folder.mkdir(parents=True, exist_ok=True)
    if sys.argv[2:] == ["bridge"]:  # the lines of an export, as if they had arrived
        for line in sys.stdin.buffer:
            keep(line)
        return
    handler = importlib.import_module(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8080"))), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"listening on port {server.server_port}", file=sys.stderr)
    forget()
    while True:
        arrived.clear()
        work(handler)
        arrived.wait(float(os.environ.get("RETRY_SECONDS", "60")))


if __name__ == "__main__":
    main()
