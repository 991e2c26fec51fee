"""A long run in which workers are killed with SIGKILL at random, and nothing may be lost.

Two workers deliver what a register keeps pushing, while owners act and receivers answer, fail,
hang and hang up. One of the workers after the other is killed; now and then one is stopped until
its leases have run out, and goes on.
At the end everything must be in order: see core/verification/invariants.py. Ends with 1 if it
is not.

The same seed makes the same choices: how long until the nth kill and of which worker, in which shop
the nth push is, what an owner does after the nth kill to which webhook, what a receiver does with a
body's nth POST. It does not make the same run: what a worker is at when it is killed, how many
pushes there are and what there is to choose from are up to the machine.
"""

import argparse
import json
import multiprocessing
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from time import monotonic, sleep

from peewee import fn

from core.config import load_config
from core.domain.delivery import WAITING, ErrorKind, Schedule, Status
from core.domain.events import SELECTABLE, EventType
from core.domain.signing import Secret
from core.intake import sync
from core.storage.clock import utc_now as now
from core.storage.database import open_database
from core.storage.models import Delivery, Event, Webhook
from core.storage.vault import load_vault
from core.use_cases import services
from core.use_cases.businesses import add_business
from core.use_cases.checking import begin_check
from core.use_cases.services import NewWebhook
from core.verification.evidence import Evidence
from core.verification.history import Post
from core.verification.invariants import Rule, Violation, check
from tasks.wiring import make_wake
from tests.support.dying_worker import run_worker
from tests.support.installation import Installation
from tests.support.recording import Recording, Reply, recording
from tests.support.scene import DEVELOPMENT, OPERATOR
from tests.support.waiting import wait_until
from tui.cli.output import Progress

CONFIG = """
[database]
url = "{database}"
[delivery]
allow_http = true
allow_networks = ["127.0.0.0/8"]
retry_after = ["0.3s"]
timeout = "1s"
concurrency = 64
"""
LEASE = timedelta(seconds=3)  # of the workers here: longer than an attempt
BETWEEN_KILLS = (0.05, 0.5)  # seconds
STOPPED_FOR = 4.0  # seconds, until the leases of a stopped worker have run out
STOP_EVERY = 8  # kills
WORKERS = 2
BACKLOG = 150  # deliveries that wait, so that there is always something to interrupt
PUSH = 60  # changes
PUSHED_AGAIN = 10  # of them, as registers do that lost their connection
ACT_EVERY = 5  # kills
SELECTIONS = (SELECTABLE, (EventType.TICKET_CREATED,), (EventType.CLIENT_CREATED,), SELECTABLE)
BAR = 30  # characters
TOLD = 20  # violations


@dataclass(frozen=True)
class Plan:
    seed: int
    kills: int
    deliveries: int


def chance_of(seed: int, what: object, number: int) -> random.Random:
    """Chance for that alone: how often something else was left to chance changes nothing in it."""
    return random.Random(f"{seed} {what} {number}")


class Replies:
    """What receivers do with each POST: the seed decides, whatever the order they come in."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._seen: Counter[tuple[str, bytes]] = Counter()

    def __call__(self, path: str, body: bytes) -> Reply:
        which = path, body.partition(b'"payload":')[2]
        self._seen[which] += 1
        chance = chance_of(self._seed, which, self._seen[which])
        return chance.choices(
            [Reply(200, chance.uniform(0, 0.05)), Reply(500), Reply(None), Reply(200, 1.5)],
            [950, 35, 10, 5],
        )[0]


@dataclass
class Shop:
    """A business, the pushes of its registers and its owner's webhooks."""

    business: int
    keys: list[str] = field(default_factory=list)
    webhooks: list[NewWebhook] = field(default_factory=list)


class Scene:
    """What is outside the workers: registers, owners, receivers."""

    def __init__(self, config_path: Path, receiver: Recording, seed: int) -> None:
        config = load_config(config_path)
        open_database(config.database.url)
        self._vault = load_vault(Path(config.secrets.key_file))
        self._receiver = receiver
        self._seed = seed
        self._wake = make_wake(config)
        self.schedule = Schedule(config.delivery.retry_after, config.delivery.max_attempts)
        self.secrets: defaultdict[int, list[Secret]] = defaultdict(list)
        self.older: dict[int, frozenset[str]] = {}
        self._made = self._pushes = 0
        second = add_business(OPERATOR, "Chez Paul", "group", None, now())
        self.shops = [Shop(1), Shop(second)]
        for shop in self.shops:
            for selection in SELECTIONS:
                self._add_webhook(shop, selection)

    def _add_webhook(self, shop: Shop, selection: tuple[EventType, ...]) -> None:
        self._made += 1
        url = f"{self._receiver.address}/{self._made}"
        before = frozenset(shop.keys)
        made = services.create_webhook(
            OPERATOR, shop.business, url, selection, now(), policy=DEVELOPMENT, vault=self._vault
        )
        shop.webhooks.append(made)
        self.older[made.id] = before
        self.secrets[made.id].append(made.secret)

    def keep_busy(self, deliveries: int) -> None:
        """Push until so many deliveries have been asked for, and enough of them wait."""
        while self.asked_for() < deliveries or self.waiting() < BACKLOG:
            self._push()

    def asked_for(self) -> int:
        """Roughly the deliveries there are and those that the outbox will become."""
        return int(Delivery.select(fn.MAX(Delivery.id)).scalar() or 0) + _in_outbox()

    def _push(self) -> None:
        self._pushes += 1
        shop = chance_of(self._seed, "push", self._pushes).choice(self.shops)
        first = len(shop.keys)
        shop.keys += [f"{shop.business}-{number}" for number in range(first, first + PUSH)]
        lines = [_change(key) for key in shop.keys[max(0, first - PUSHED_AGAIN) :]]
        sync(shop.business, lines, now, wake=self._wake, on_bad=_refuse, on_progress=lambda _: None)

    def waiting(self) -> int:
        """Roughly the deliveries that wait, and exactly whether there are any."""
        standing = Webhook.select(Webhook.id).where(Webhook.deleted_at.is_null())
        due = Delivery.due_at.is_null(False) & Delivery.webhook.in_(standing)
        return int(Delivery.select().where(due).count()) + _in_outbox()

    def act(self, kill: int) -> None:
        """Something that an owner does after that kill."""
        chance = chance_of(self._seed, "act", kill)
        shop = chance.choice(self.shops)
        webhook = chance.choice(shop.webhooks)
        match chance.randrange(10):
            case 0:
                services.delete_webhook(OPERATOR, webhook.id, now())
                shop.webhooks.remove(webhook)
                self._add_webhook(shop, webhook.events)
            case 1 | 2 | 3:
                renewed = services.regenerate_secret(OPERATOR, webhook.id, now(), vault=self._vault)
                self.secrets[webhook.id].append(renewed)
            case 4:
                services.send_test(OPERATOR, webhook.id, now(), wake=self._wake)
            case 5:
                event = chance.choice(SELECTABLE)
                services.send_sample(OPERATOR, webhook.id, event, now(), wake=self._wake)
            case 6:
                begin_check(OPERATOR, webhook.id, now(), wake=self._wake)
            case _:
                self._redeliver(webhook)

    def _redeliver(self, webhook: NewWebhook) -> None:
        old = Delivery.select().where(
            (Delivery.webhook == webhook.id) & (Delivery.status == Status.DELIVERED)
        )
        delivery = old.order_by(Delivery.id.desc()).first()
        if delivery is not None:
            services.redeliver(OPERATOR, str(delivery.uuid), now(), wake=self._wake)


def _in_outbox() -> int:
    """Roughly the deliveries that the outbox will become: three webhooks of four want an event."""
    return 3 * int(Event.select().where(Event.fanned_out_at.is_null()).count())


def _change(key: str) -> bytes:
    ticket = int(key.partition("-")[2]) % 2 == 0
    after = {"statut": "valide", "n": key} if ticket else {"n": key}
    entity = "ticket" if ticket else "client"
    return json.dumps({"entity": entity, "before": None, "after": after, "key": key}).encode()


def _refuse(number: int, why: str) -> None:
    raise AssertionError(f"line {number}: {why}")


class Workers:
    """Worker processes, forked from one that has imported everything."""

    def __init__(self, config: Path, log: Path) -> None:
        self._config, self._log = config, log
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["__main__", "tests.support.dying_worker", "psycopg"])
        self._running = [self._start() for _ in range(WORKERS)]
        self._stopped: ForkServerProcess | None = None
        self._resuming: threading.Timer | None = None

    def _start(self) -> ForkServerProcess:
        process = self._context.Process(
            target=run_worker,
            args=(self._config, LEASE, self._log),
            daemon=True,  # ends with the soak, however that ends
        )
        process.start()
        return process

    def kill_one(self, chance: random.Random) -> None:
        victim = chance.choice([worker for worker in self._running if worker != self._stopped])
        victim.kill()
        self._ended(victim, -signal.SIGKILL)
        self._running.remove(victim)
        self._running.append(self._start())

    def stop_one(self) -> None:
        """Stop one as if its machine stood still; it goes on once its leases have run out."""
        self._stopped = self._running[0]  # the oldest, which has something in flight
        os.kill(self._pid_of(self._stopped), signal.SIGSTOP)
        self._resuming = threading.Timer(STOPPED_FOR, self._resume)
        self._resuming.start()

    def all_run(self) -> bool:
        return self._stopped is None

    def _resume(self) -> None:
        if self._stopped is not None:
            os.kill(self._pid_of(self._stopped), signal.SIGCONT)
            self._stopped = None

    def _pid_of(self, worker: ForkServerProcess) -> int:
        assert worker.pid is not None
        return worker.pid

    def end(self) -> None:
        if self._resuming is not None:
            self._resuming.join()
        for worker in self._running:
            worker.terminate()
        for worker in self._running:
            self._ended(worker, 0)

    def _ended(self, worker: ForkServerProcess, as_told: int) -> None:
        worker.join(30)
        if worker.exitcode != as_told:
            raise AssertionError(f"a worker ended with {worker.exitcode}: see {self._log}")


def _wait_for_a_post(receiver: Recording) -> None:
    """On a busy machine workers take longer to start than to be killed."""
    before = len(receiver.posts)
    with suppress(AssertionError):  # all of them may stand still or be held up for a while
        wait_until(lambda: len(receiver.posts) > before, 10)


def soak(plan: Plan, config: Path, receiver: Recording) -> Evidence:
    """The run itself; what is left of it.

    Whether all was on time is not asked: workers that are killed three times a second fall behind.
    """
    scene, progress = Scene(config, receiver, plan.seed), Progress()
    log = config.with_name("workers.log")
    workers = Workers(config, log)
    for kill in range(1, plan.kills + 1):
        scene.keep_busy(plan.deliveries * kill // plan.kills)
        _wait_for_a_post(receiver)
        chance = chance_of(plan.seed, "kill", kill)
        sleep(chance.uniform(*BETWEEN_KILLS))  # how long is what the seed decides
        workers.kill_one(chance)
        _now_and_then(kill, scene, workers)
        progress.show(_bar(kill, plan.kills, len(receiver.posts)))
    while Delivery.select().count() + _in_outbox() < plan.deliveries:
        scene.keep_busy(scene.asked_for() + 1)
    with suppress(AssertionError):  # what still waits is found below, and told
        wait_until(lambda: not scene.waiting(), 120 + plan.deliveries / 50)
    workers.end()
    progress.clear()
    return Evidence(
        list(receiver.posts),
        scene.schedule,
        published=[key for shop in scene.shops for key in shop.keys],
        older=scene.older,
        secrets=scene.secrets,
        places={path.name: path.read_bytes() for path in config.parent.iterdir()},
    )


def _now_and_then(kill: int, scene: Scene, workers: Workers) -> None:
    if not workers.all_run():
        return  # what it was about to send when it was stopped, it sends: nothing may be deleted
    if kill % ACT_EVERY == 0:
        scene.act(kill)
    if kill % STOP_EVERY == 0:
        workers.stop_one()


def _bar(done: int, of: int, posts: int) -> str:
    full = BAR * done // of
    return f"[{'#' * full}{'.' * (BAR - full)}] {done:,} of {of:,} kills, {posts:,} POSTs"


def figures(
    plan: Plan, evidence: Evidence, broken: list[Violation], seconds: float
) -> dict[str, int]:
    deliveries = evidence.history.deliveries.values()
    deleted = evidence.history.deleted
    ended = Counter(row.status for row in deliveries if row.webhook not in deleted)
    log = [row.error for rows in evidence.history.attempts.values() for row in rows]
    rules = Counter(violation.rule for violation in broken)
    return {
        "deliveries": len(deliveries),
        "delivered": ended[Status.DELIVERED],
        "abandoned": ended[Status.ABANDONED],
        "still waiting": sum(ended[status] for status in WAITING),
        "of webhooks deleted since": sum(row.webhook in deleted for row in deliveries),
        "kills": plan.kills,
        "attempts they interrupted": log.count(ErrorKind.INTERRUPTED),
        "POSTs": len(evidence.posts),
        "repeats": _repeats(evidence.posts),
        "repeats without a crash, a lost answer or an owner": rules[Rule.REPEATED],
        "lost": rules[Rule.LOST],
        "broken invariants": len(broken),
        "seconds": round(seconds),
    }


def _repeats(posts: list[Post]) -> int:
    """POSTs of deliveries that had been accepted before."""
    accepted = Counter(post.delivery for post in posts if post.accepted)
    return accepted.total() - len(accepted)


@contextmanager
def _stage(arguments: argparse.Namespace, folder: Path) -> Iterator[str]:
    """The URL of the database that was asked for."""
    with ExitStack() as stack:
        if arguments.database:
            yield arguments.database
        elif arguments.engine == "postgres":
            from tests.benchmarks.stage import new_database  # noqa: PLC0415 - a server is not always needed
            from tests.support.servers import postgres_server  # noqa: PLC0415 - nor is its start

            yield new_database(stack.enter_context(postgres_server()))
        else:
            yield "sqlite:///aurapos-webhooks.db"


def main() -> int:
    arguments = _arguments()
    plan = Plan(arguments.seed, arguments.kills, arguments.deliveries)
    print(f"seed {plan.seed}: {plan.kills:,} kills, {plan.deliveries:,} deliveries", flush=True)
    begin = monotonic()
    root = Path(tempfile.mkdtemp(prefix="aurapos-soak-"))
    folder = root / "installation"
    folder.mkdir()
    with _stage(arguments, folder) as database, recording(Replies(plan.seed)) as receiver:
        installation = Installation(folder, CONFIG.format(database=database))
        installation.init()
        evidence = soak(plan, installation.config, receiver)
        broken = check(evidence)
    told = figures(plan, evidence, broken, monotonic() - begin)
    for name, figure in told.items():
        print(f"{name:<52}{figure:>10,}")
    if broken or told["still waiting"]:
        print(*(f"{each.rule}: {each.sentence}" for each in broken[:TOLD]), sep="\n")
        print(f"The run is kept in {folder}; the same choices again: --seed {plan.seed}.")
        return 1
    shutil.rmtree(root)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--deliveries", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--engine", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--database", metavar="URL", help="an empty database of your own")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
