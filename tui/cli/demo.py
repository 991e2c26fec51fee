"""`demo`: the whole thing on a throw-away database, from a sale to a verified signature."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any, NoReturn, Self

import click

from core.domain.catalogue import CATALOGUE
from core.domain.choices import NOTHING, Chosen, Format
from core.domain.delivery import Schedule
from core.domain.events import SELECTABLE, EventType
from core.domain.payload import Change, parse_change
from core.errors import WebhooksError
from core.intake import record_change
from core.storage.clock import utc_now
from core.use_cases import services
from core.use_cases.services import NewWebhook
from core.verification.evidence import Evidence
from core.verification.history import Post
from core.verification.invariants import check
from tui.cli.init import initialise
from tui.cli.output import say
from tui.cli.program import Program, actor_as
from tui.cli.receiver import Answer, Received, Receiver
from tui.cli.sales import Sales
from tui.cli.supervisor import start_tied
from tui.cli.terminal import is_on_terminal, make_desk, run
from tui.cli.throwaway import throwaway_folder

_OWNER = "marie"
_CONFIG = """\
[delivery]
allow_http = true
allow_networks = ["127.0.0.0/8"]
retry_after = ["1s", "2s", "5s", "10s"]
"""
_TICKETS = (EventType.TICKET_CREATED, EventType.TICKET_CANCELLED)
_DOWN = "http://127.0.0.2:1024/old-stock-system"
_SECONDS = 20
_PAUSE = 0.25  # seconds between two changes at the registers
_LAST_ONES = 30.0  # seconds for what is still on its way when the sales are over
_SHUTDOWN = 25  # seconds
_REFUSED_ONE_IN = 12
_SAMPLES = {entry.sample for entry in CATALOGUE.values()}


@click.command(short_help="See everything work, on a throw-away database.")
@click.option("--headless", is_flag=True, help="Print what is delivered instead of showing it.")
@click.option(
    "--seconds",
    type=click.IntRange(1, 3600),
    help=f"Of sales; {_SECONDS} when headless, else until the UI is left.",
)
def demo(seconds: int | None, *, headless: bool) -> None:
    """See everything work: a business, a receiver, a worker and a stream of realistic sales.

    On a terminal it opens the UI over them. Without one, or headless, it prints what is delivered,
    and exits 0 only if every event arrived, once, with a valid signature.
    """
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _end)
    if headless or not is_on_terminal():
        ledger = Ledger(say)
        with _new_stage(ledger) as stage:
            _play(stage, seconds or _SECONDS)
    else:
        ledger = Ledger(lambda _: None, someone_acts=True)
        with _new_stage(ledger) as stage:
            _show(stage, seconds)
    say(ledger.summary())
    failure = ledger.failure()
    if failure is not None:
        raise WebhooksError(failure)


def _end(signum: int, _: Any) -> NoReturn:
    """As ctrl+C does: the worker is ended and the folder removed on the way out."""
    raise SystemExit(128 + signum)


@contextmanager
def _new_stage(ledger: "Ledger") -> Iterator["Stage"]:
    """A stage, and once the worker has settled everything a look at what must be true after it."""
    with throwaway_folder() as folder:
        with Stage(folder, ledger) as stage:
            yield stage
        ledger.examine(stage.evidence())


def _play(stage: "Stage", seconds: int) -> None:
    """Sell for so long, then wait for the last deliveries."""
    say(f"Chez Marie sells for {seconds} s; every event goes to {stage.url}, signed.")
    stage.sell(threading.Event(), seconds)
    say("The registers are closed; what is still on its way may arrive.")
    stage.await_the_last(_LAST_ONES)


def _show(stage: "Stage", seconds: int | None) -> None:
    """Sell while the owner looks on, next to a webhook whose server is down."""
    stage.register(_DOWN, (EventType.PRODUIT_UPDATED, EventType.PROMOTION_UPDATED))
    desk = make_desk(stage.program, _OWNER)
    closed = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        sales = pool.submit(stage.sell, closed, seconds)
        try:
            run(desk)
        finally:
            closed.set()
    sales.result()
    stage.await_the_last(_LAST_ONES)


class Stage(AbstractContextManager["Stage"]):
    """A business and a running worker, in a folder of their own, and who is told what happens: a
    program everything, and people in a chat of each ticket a line.
    """

    def __init__(self, folder: Path, ledger: "Ledger") -> None:
        self.program = Program(folder / "config.toml")
        self._log = folder / "worker.log"
        self._ledger = ledger
        self._parts = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as parts:
            receiver = parts.enter_context(Receiver(self._ledger.receive))
            chat = parts.enter_context(Receiver(self._ledger.hear))
            self.url, self._chat_url = receiver.url, chat.url
            self._business_id = self._found()
            self._webhook = self.register(receiver.url, SELECTABLE)
            receiver.secret = self._webhook.secret
            self._chat = self.register(
                *(chat.url, _TICKETS),
                Chosen(name="Kitchen chat", format=Format.CHAT, pace=None),  # it takes them all
            )
            chat.secret = self._chat.secret
            self._worker = parts.enter_context(self._running_worker())
            self._parts = parts.pop_all()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._parts.__exit__(*exception)

    def evidence(self) -> Evidence:
        """What the receivers saw, to be held against the tables."""
        delivery = self.program.config.delivery
        answered = [(self.url, *each) for each in self._ledger.answered]
        heard = [(self._chat_url, *each) for each in self._ledger.heard]
        known = () if self._ledger.someone_acts else (self._webhook, self._chat)
        return Evidence(
            [
                Post(each.at, url, each.headers, each.body, status)
                for url, each, status in answered + heard
            ],
            Schedule(delivery.retry_after, delivery.max_attempts),
            secrets={webhook.id: [webhook.secret] for webhook in known},
        )

    def sell(self, closed: threading.Event, seconds: int | None) -> None:
        """Push one change after the other until the registers are closed, or for so long."""
        closing = monotonic() + seconds if seconds is not None else None
        for change in map(parse_change, Sales(seed=1, now=utc_now)):
            self.push(change)
            if closed.wait(_PAUSE) or (closing is not None and monotonic() > closing):
                return

    def push(self, change: Change) -> None:
        """Push one change as a register does."""
        self._check_worker()
        if change.event_type is not None:
            self._ledger.publish(change.event_type, change.payload)
        record_change(self._business_id, change, utc_now(), wake=self.program.wake)

    def await_the_last(self, seconds: float) -> None:
        deadline = monotonic() + seconds
        while not self._ledger.complete() and monotonic() < deadline:
            self._check_worker()
            self._ledger.news.wait(_PAUSE)
            self._ledger.news.clear()

    def _found(self) -> int:
        self.program.config_path.write_text(_CONFIG, encoding="utf-8")
        return initialise(
            self.program.config,
            name="Chez Marie",
            edition="group",
            owner=_OWNER,
            option=False,
            now=utc_now(),
            created=[],
        )

    def register(
        self, url: str, events: tuple[EventType, ...], chosen: Chosen = NOTHING
    ) -> NewWebhook:
        return services.create_webhook(
            actor_as(_OWNER),
            self._business_id,
            url,
            events,
            utc_now(),
            policy=self.program.policy,
            vault=self.program.vault(),
            chosen=chosen,
        )

    @contextmanager
    def _running_worker(self) -> Iterator[subprocess.Popen[bytes]]:
        path = str(self.program.config_path)
        command = [sys.executable, "-m", "tui.cli", "--config", path, "worker"]
        lifeline, kept = os.pipe()
        with self._log.open("wb") as log:
            worker = start_tied(command, lifeline, stdout=log, stderr=log)
        os.close(lifeline)
        try:
            yield worker
        finally:
            os.close(kept)
            worker.terminate()
            try:
                worker.wait(_SHUTDOWN)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def _check_worker(self) -> None:
        if self._worker.poll() is not None:
            log = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise WebhooksError(f"The worker ended: {log[-1] if log else 'it said nothing'}.")


class Ledger:
    """What was published and what arrived, payload by payload, told line by line.

    One delivery in twelve is refused at first, so that a retry is to be seen too. Where someone
    acts in the UI, tests and redeliveries arrive besides.
    """

    def __init__(self, tell: Callable[[str], None], *, someone_acts: bool = False) -> None:
        self.news = threading.Event()
        self._tell = tell
        self.someone_acts = someone_acts
        self.answered: list[tuple[Received, int]] = []  # each POST and the status it got
        self.heard: list[tuple[Received, int]] = []  # those of lines for people
        self._chance = random.Random(0)  # noqa: S311 - a script for a play, not a secret
        self._lock = threading.Lock()  # the receiver's thread and the registers' share this
        self._missing: set[bytes] = set()
        self._arrived: dict[str, timedelta] = {}  # how long it took, by delivery id
        self._refused: set[str] = set()
        self._problems: list[str] = []
        self._published = 0
        self._tickets = 0

    def publish(self, event_type: EventType, payload: bytes) -> None:
        """Note an event before it is published: it may arrive before the call returns."""
        with self._lock:
            self._published += 1
            self._tickets += event_type in _TICKETS
            self._missing.add(payload)

    def receive(self, received: Received) -> Answer:
        with self._lock:
            answer = self._receive(received)
            self.answered.append((received, answer[0]))
            self.news.set()
            return answer

    def hear(self, received: Received) -> Answer:
        """Take a line for people, as a chat program does."""
        with self._lock:
            answer = self._hear(received)
            self.heard.append((received, answer[0]))
            self.news.set()
            return answer

    def _hear(self, received: Received) -> Answer:
        if not received.verified:
            return self._complain(received, received.problem or "it was not verified")
        self._tell(_line(received, f"“{json.loads(received.body)['text']}”"))
        return 200, b"ok"

    def _receive(self, received: Received) -> Answer:
        if self.someone_acts and not received.verified and received.event == EventType.PING:
            return 401, b'{"ok":false}'  # as a check asks for
        if not received.verified:
            return self._complain(received, received.problem or "it was not verified")
        delivery_id = received.delivery_id
        payload = received.body.partition(b',"payload":')[2].removesuffix(b"}")
        is_asked_for = received.event == EventType.PING or payload in _SAMPLES
        if self.someone_acts and (is_asked_for or delivery_id in self._arrived):
            return 200, b'{"ok":true}'
        new = delivery_id not in self._refused
        if new and delivery_id not in self._arrived and not self._chance.randrange(_REFUSED_ONE_IN):
            self._refused.add(delivery_id)
            self._tell(_line(received, "✗ refused on purpose, comes again"))
            return 503, b'{"error":"busy, try again"}'
        if payload not in self._missing:
            return self._complain(received, "it was not expected, or came twice")
        self._missing.discard(payload)
        took = received.at - datetime.fromisoformat(json.loads(received.body)["created_at"])
        self._arrived[delivery_id] = took
        again = "" if new else ", second attempt"
        self._tell(_line(received, f"✓ signature verified, {_ms(took)} ms{again}"))
        return 200, b'{"ok":true}'

    def _complain(self, received: Received, problem: str) -> Answer:
        self._problems.append(f"{received.event} {received.delivery_id}: {problem}")
        self._tell(_line(received, f"✗ {problem}"))
        return 401, b'{"ok":false}'

    def examine(self, evidence: Evidence) -> None:
        """Note whatever is not as it must be after any run, by the tables and what arrived."""
        self._problems += [violation.sentence for violation in check(evidence)]

    def complete(self) -> bool:
        with self._lock:
            return not self._still_missing()

    def _still_missing(self) -> int:
        lines = {received.delivery_id for received, _ in self.heard}
        return len(self._missing) + max(0, self._tickets - len(lines))

    def summary(self) -> str:
        with self._lock:
            at_once = [
                _ms(took) for each, took in self._arrived.items() if each not in self._refused
            ]
            typical = f"; median {median(at_once):.0f} ms from sale to arrival" if at_once else ""
            return (
                f"{self._published} events published, {len(self._arrived)} arrived with a valid "
                f"signature, {len(self._refused)} of them at the second attempt{typical}; "
                f"{self._tickets} tickets were told in the chat."
            )

    def failure(self) -> str | None:
        with self._lock:
            if not self._still_missing() and not self._problems:
                return None
            told = "; ".join(self._problems) or "the worker did not deliver them in time"
            return f"{self._still_missing()} events did not arrive as they should: {told}."


def _line(received: Received, verdict: str) -> str:
    return f"{received.at:%H:%M:%S}  {received.event:<18} {received.delivery_id[-8:]}  {verdict}"


def _ms(took: timedelta) -> int:
    return round(took / timedelta(milliseconds=1))
