"""`doctor`: is everything as it should be, and how to mend what is not."""

import os
import shlex
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import click
from peewee import PeeweeException

from core.config import Config
from core.domain.delivery import TOLD_BEFORE
from core.errors import WebhooksError
from core.outbound.mail import MailFailed, check
from core.outbound.tls import tls_context
from core.pipeline.heartbeat import TICK_WITHIN, is_missing
from core.storage.clock import utc_now
from core.storage.database import (
    connection,
    explain,
    is_postgres,
    open_database,
    proxy,
    sqlite_path,
)
from core.storage.fitness import connections_allowed, described, network_of
from core.storage.folders import told_of_owner
from core.storage.schema import require_current
from core.storage.vault import load_vault
from core.use_cases import workers
from core.use_cases.businesses import standing_urls
from core.use_cases.installation_health import held_webhooks, mail_vitals, paused_webhooks
from core.use_cases.rotation import lost_secrets
from core.use_cases.trials import silenced_webhooks
from tasks.wiring import (
    CONNECTIONS_OF_A_WORKER,
    make_mail_server,
    make_policy,
    open_configured_queue,
)
from tui.cli.output import print_json, say, told_of_mail, told_of_pause
from tui.cli.program import Program, json_option, others_settings, pass_program, queue_explained

_A_DAY = timedelta(days=1)
_CLOCK_WITHIN = timedelta(seconds=5)
_EARLIEST_SANE = datetime(2025, 1, 1, tzinfo=UTC)
_OF_ITS_QUEUE = 2  # more connections to PostgreSQL, where the queue is there
_SHARED = stat.S_IRWXG | stat.S_IRWXO


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    BAD = "BAD"


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    verdict: Verdict
    told: str


_Told = tuple[Verdict, str]
"""A finding of the check that is under way."""


@click.command(short_help="Check everything, and say how to mend it.")
@json_option
@pass_program
def doctor(program: Program, *, as_json: bool) -> None:
    """Check configuration, key, database, queue, webhooks, clock, workers; exit 1 if any is bad."""
    findings = list(_examine(program))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            say(f"{finding.verdict:<8}{finding.check:<10}{finding.told}")
    if any(finding.verdict is Verdict.BAD for finding in findings):
        sys.exit(1)


def _examine(program: Program) -> Iterator[Finding]:
    try:
        config = program.config
    except WebhooksError as error:
        yield Finding("config", Verdict.BAD, str(error))
        return
    yield Finding("config", Verdict.OK, str(program.config_path))
    yield from _development_settings(config)
    yield from _checked("ca_file", _ca_file(config))
    yield from _checked("key", _key(config))
    database = list(_checked("database", _database(config)))
    yield from database
    yield from _checked("queue", _queue(config))
    yield from _files(program, config)
    if all(finding.verdict is Verdict.OK for finding in database):
        yield from _checked("secrets", _secrets(config))
        yield from _checked("webhooks", _webhooks(config))
        yield from _checked("outbox", _outbox())
        yield from _checked("paused", _paused(config))
        yield from _checked("held", _held())
        yield from _checked("mail", _mail(config))
        yield from _checked("only", _silenced())
        yield from _checked("clock", _clock())
        yield from _checked("worker", _worker())
        yield from _checked("worker", _settings(config))


def _checked(check: str, told: Iterator[_Told]) -> Iterator[Finding]:
    """What a check finds; where it cannot go on, why."""
    try:
        for verdict, sentence in told:
            yield Finding(check, verdict, sentence)
    except WebhooksError as error:
        yield Finding(check, Verdict.BAD, str(error))
    except PeeweeException as error:
        yield Finding(check, Verdict.BAD, explain(error))


def _development_settings(config: Config) -> Iterator[Finding]:
    if config.delivery.allow_http:
        yield Finding(
            "http",
            Verdict.WARNING,
            "delivery.allow_http is on: bodies and signatures can be read on their way; for "
            "development only.",
        )
    if config.delivery.allow_networks:
        named = ", ".join(str(network) for network in config.delivery.allow_networks)
        yield Finding(
            "networks",
            Verdict.WARNING,
            f"delivery.allow_networks lets owners call {named}; for development only.",
        )


def _ca_file(config: Config) -> Iterator[_Told]:
    tls_context(config.delivery.ca_file)
    if config.delivery.ca_file:
        yield Verdict.OK, config.delivery.ca_file


def _key(config: Config) -> Iterator[_Told]:
    load_vault(Path(config.secrets.key_file))
    yield Verdict.OK, config.secrets.key_file


def _secrets(config: Config) -> Iterator[_Told]:
    lost = lost_secrets(load_vault(Path(config.secrets.key_file)))
    if lost:
        told = (
            f"No key here opens the secrets of webhooks {', '.join(map(str, lost))}, whose "
            "deliveries wait: restore the old key file, or regenerate them."
        )
        yield Verdict.BAD, told
    else:
        yield Verdict.OK, "every one opens"


def _webhooks(config: Config) -> Iterator[_Told]:
    policy = make_policy(config.delivery)
    blocked = [str(number) for number, url in standing_urls() if not policy.accepts(url)]
    if blocked:
        told = (
            f"{', '.join(blocked)} may not be called by the settings of now, which were others "
            "when they were saved: their deliveries fail as blocked. Edit their URLs, or delete "
            "them."
        )
        yield Verdict.WARNING, told


def _paused(config: Config) -> Iterator[_Told]:
    """Why nothing goes to some webhooks, and what is about to be abandoned for it."""
    for each in paused_webhooks():
        told = told_of_pause(each)
        given_up_at = each.parked_since and each.parked_since + config.history.keep
        if given_up_at is None or given_up_at > utc_now() + TOLD_BEFORE:
            yield Verdict.OK, told
            continue
        told += (
            f". The oldest are abandoned from {given_up_at:%Y-%m-%d %H:%M} UTC on: resume it with "
            f"`aurapos-webhooks webhook resume {each.webhook_id}`, or raise [history] keep."
        )
        yield Verdict.WARNING, told


def _held() -> Iterator[_Told]:
    """Why nothing goes to some webhooks for the moment."""
    for webhook_id, until in held_webhooks(utc_now()):
        told = f"webhook {webhook_id} is sent nothing until {until:%Y-%m-%d %H:%M:%S} UTC, because "
        yield Verdict.OK, f"{told}its receiver asked for it (Retry-After)"


def _mail(config: Config) -> Iterator[_Told]:
    """Whether the server takes our login, and what it did not take of us."""
    server = make_mail_server(config)
    found = mail_vitals(utc_now())
    if server is not None:
        try:
            check(server)
        except MailFailed as error:
            yield Verdict.BAD, f"Mail for alerts waits: {error}. Mend [mail], or that server."
        else:
            yield Verdict.OK, f"{server.to.host}:{server.to.port} takes it, from {server.sender}"
    elif found.waiting:
        told = f"{found.waiting} mails wait and [mail] smtp is empty: name a server there."
        yield Verdict.WARNING, told
    if found.failed or found.given_up:
        yield Verdict.WARNING, f"Mail for alerts: {told_of_mail(found)}."


def _outbox() -> Iterator[_Told]:
    found = workers.set_aside()
    if found is not None:
        told = (
            f"Set aside because it cannot be sent: {found.count} of the events that other programs "
            f"wrote. The latest is {found.latest}: {found.why} Mend the program that writes them: "
            "see docs/integrating.md."
        )
        yield Verdict.WARNING, told


def _silenced() -> Iterator[_Told]:
    """Why nothing went to some webhooks for a day, though something happened."""
    for each in silenced_webhooks(utc_now() - _A_DAY):
        told = (
            f"webhook {each.webhook_id} got nothing in the last 24 hours: its conditions kept back "
            f"all that happened, {each.kept_back} in number; see `aurapos-webhooks webhook show "
            f"{each.webhook_id}`"
        )
        yield Verdict.OK, told


def _database(config: Config) -> Iterator[_Told]:
    open_database(config.database.url)
    engine = described()
    require_current()
    yield Verdict.OK, engine
    allowed, needed = connections_allowed(), CONNECTIONS_OF_A_WORKER
    if config.queue.url.startswith("postgres"):
        needed += _OF_ITS_QUEUE
    if allowed is not None and allowed <= needed:
        told = (
            f"Only {allowed} connections are allowed to this role or database: a worker takes "
            f"{needed}, and each terminal UI or producer one more. Raise the limit, or put "
            "PgBouncer before it."
        )
        yield Verdict.WARNING, told
    network = network_of(config.database.url)
    if network is not None:
        told = (
            f"The file is on a network file system ({network}), where locks do not hold and it can "
            "be damaged: move it to a disk of this machine, or use PostgreSQL."
        )
        yield Verdict.BAD, told


def _queue(config: Config) -> Iterator[_Told]:
    path = sqlite_path(config.queue.url)
    if path is not None and not path.parent.is_dir():
        folder = shlex.quote(str(path.parent))
        told = f"There is no folder {folder}: make it with `mkdir -m 700 {folder}`, owned by the "
        yield Verdict.BAD, f"{told}worker's account, or mend [queue] url."
        return
    with queue_explained():
        waiting = open_configured_queue(config).pending_count()
    yield Verdict.OK, f"{waiting} messages waiting"


def _files(program: Program, config: Config) -> Iterator[Finding]:
    key_file = Path(config.secrets.key_file)
    files = [
        path
        for path in (
            program.config_path.resolve(),
            key_file,
            sqlite_path(config.database.url),
            sqlite_path(config.queue.url),
        )
        if path is not None and path.exists()
    ]
    shared = [key_file] if os.geteuid() == 0 else []  # else it is read already, and may be root's
    for path in (sqlite_path(config.database.url), sqlite_path(config.queue.url), *shared):
        told = told_of_owner(path) if path is not None else ""
        if told:
            yield Finding("files", Verdict.BAD, told)
    for path, mode in [
        *((path, 600) for path in files),
        *((folder, 700) for folder in dict.fromkeys(path.parent for path in files)),
    ]:
        if path.stat().st_mode & _SHARED and path != key_file:  # of which `key` says more
            told = f"{path} is open to others: run `chmod {mode} {shlex.quote(str(path))}`."
            yield Finding("files", Verdict.WARNING, told)


def _clock() -> Iterator[_Told]:
    now = utc_now()
    drift = abs(_database_time(now) - now)
    last = workers.last_tick()
    if now < _EARLIEST_SANE:
        told = f"It says {now:%Y-%m-%d %H:%M} UTC, which is in the past: set the clock."
        yield Verdict.BAD, told
    elif drift > _CLOCK_WITHIN:
        told = f"It is {drift.total_seconds():.0f} s away from the database's: set the clock (NTP)."
        yield Verdict.BAD, told
    elif last is not None and last - now > _CLOCK_WITHIN:
        told = (
            f"It is behind the last tick, which was at {last:%Y-%m-%d %H:%M:%S} UTC, "
            f"{(last - now).total_seconds():.0f} s from now: set the clocks (NTP), this one and "
            "that of every machine with a worker."
        )
        yield Verdict.BAD, told
    else:
        yield Verdict.OK, f"{now:%Y-%m-%d %H:%M:%S} UTC"


def _database_time(now: datetime) -> datetime:
    """PostgreSQL's own clock; SQLite's is this machine's."""
    if not is_postgres():
        return now
    with connection():
        return proxy.execute_sql("SELECT clock_timestamp()").fetchone()[0].astimezone(UTC)


def _settings(config: Config) -> Iterator[_Told]:
    differing = others_settings(config, utc_now())
    if differing:
        yield Verdict.WARNING, f"{differing[0].upper()}{differing[1:]}."


def _worker() -> Iterator[_Told]:
    now, last = utc_now(), workers.last_tick()
    if last is None:
        told = "No worker has ticked yet: start `aurapos-webhooks worker`."
        yield Verdict.BAD, told
    elif now - last > TICK_WITHIN:
        told = (
            f"The last tick was at {last:%Y-%m-%d %H:%M} UTC: is `aurapos-webhooks worker` running?"
        )
        yield Verdict.BAD, told
    else:
        yield _who_was_here(workers.consumers(now), (now - last).total_seconds())
    overdue = workers.waiting_since(now - TICK_WITHIN)
    if overdue is not None:
        told = f"Deliveries have been due since {overdue:%Y-%m-%d %H:%M} UTC: see the worker's log."
        yield Verdict.WARNING, told


def _who_was_here(consumers: Sequence[str], seconds: float) -> _Told:
    """Of those that ticked lately, so long ago; none of them where the last ended in order."""
    if not consumers:
        told = f"The last one ended in order {seconds:.0f} s ago: start `aurapos-webhooks worker`."
        return Verdict.WARNING, told
    if all(map(is_missing, consumers)):
        told = (
            f"The last tick was {seconds:.0f} s ago, but there is no process "
            f"{consumers[0].rpartition(' ')[2]} on this machine any more: was it killed? Start "
            "`aurapos-webhooks worker`."
        )
        return Verdict.WARNING, told
    return Verdict.OK, f"the last tick was {seconds:.0f} s ago"
