"""django-webhook's part: so many deliveries by a Celery worker of so many processes.

Runs in .venv-bench: `rival.py URL POSTS PROCESSES`, with `shop.py`'s variables set; PROCESSES 0 is
Celery's default, one a core. Everything is queued before the word is given and the worker has
delivered before, so that no start-up is measured. Prints deliveries per second, from the word to
the last arrival; ends with an error when one did not arrive or is not in the log as delivered.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import requests

os.environ["DJANGO_SETTINGS_MODULE"] = "shop"
django.setup()

from django.core.management import call_command  # noqa: E402 - after setup()
from django_webhook.models import Webhook, WebhookEvent  # noqa: E402 - after setup()
from django_webhook.tasks import fire_webhook  # noqa: E402 - after setup()
from shop import app  # noqa: E402 - after setup()

HERE = Path(__file__).parent
WARM_UP = 100
PATIENCE = 120  # seconds
TOPIC = "shop.Ticket/create"


def prepare(url: str) -> Webhook:
    """The tables, and a webhook with a secret."""
    call_command("migrate", verbosity=0)
    webhook = Webhook.objects.create(url=url)
    webhook.secrets.create(token="x" * 40)
    return webhook


def queue(webhook: Webhook, payload: object, posts: int, name: str) -> None:
    """What django-webhook's own signal does at each change that somebody wants to hear of."""
    body = {"object": payload, "topic": TOPIC, "object_type": "shop.Ticket"}
    text = json.dumps(body | {"webhook_uuid": str(webhook.uuid)})
    with app.producer_pool.acquire() as producer:
        for _ in range(posts):
            fire_webhook.apply_async(
                (webhook.id, text),
                {"topic": TOPIC, "object_type": "shop.Ticket"},
                queue=name,
                producer=producer,
            )


@contextmanager
def worker(processes: int) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker that looks at the queue `ready` only."""
    command = [sys.executable, "-m", "celery", "-A", "shop", "worker", "--queues", "ready"]
    command += ["--concurrency", str(processes)] * bool(processes)
    process = subprocess.Popen(command, cwd=HERE, stdout=sys.stderr)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def arrived(url: str, count: int, process: subprocess.Popen[bytes]) -> None:
    """Return once so many POSTs have arrived at the receiver."""
    deadline = time.monotonic() + PATIENCE
    with requests.Session() as session:
        while (so_far := int(session.get(url, timeout=5).text)) < count:
            if process.poll() is not None:
                sys.exit(f"The Celery worker ended by itself, with {process.returncode}.")
            if time.monotonic() > deadline:
                sys.exit(f"Only {so_far} of {count} POSTs arrived in {PATIENCE} s.")
            time.sleep(0.01)  # between two looks at the count


def measure(url: str, posts: int, processes: int) -> float:
    webhook, payload = prepare(url), json.load(sys.stdin)
    before = int(requests.get(url, timeout=5).text)
    queue(webhook, payload, WARM_UP, "ready")
    queue(webhook, payload, posts, "posts")
    with worker(processes) as process:
        arrived(url, before + WARM_UP, process)
        begin = time.perf_counter()
        app.control.add_consumer("posts")
        arrived(url, before + WARM_UP + posts, process)
        seconds = time.perf_counter() - begin
    delivered = WebhookEvent.objects.filter(status="SUCCESS").count()
    if delivered != WARM_UP + posts:
        sys.exit(f"Of {WARM_UP + posts} deliveries {delivered} are in the log as delivered.")
    return posts / seconds


if __name__ == "__main__":
    print(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
