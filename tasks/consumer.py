"""The composition root of the worker: `huey_consumer tasks.consumer.huey` starts here too."""

import logging
import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from huey import Huey

from core.config import CONFIG_VARIABLE, DEFAULT_CONFIG, Config, load_config, settings_of
from core.domain.delivery import Schedule
from core.outbound.sender import Sender
from core.outbound.tls import tls_context
from core.outbound.transport import GuardedTransport
from core.pipeline.fan_out import set_aside_strays
from core.pipeline.heartbeat import own_name, record_end, record_tick
from core.pipeline.leases import LEASE
from core.pipeline.retention import prune_daily
from core.pipeline.subjects import cut_subjects
from core.pipeline.sweep import Sweep
from core.pipeline.tallies import fold
from core.storage.clock import DatabaseClock, utc_now
from core.storage.database import close_idle_connections, open_database, proxy
from core.storage.schema import require_current
from core.storage.vault import load_vault
from core.wording import read_all
from tasks.descriptors import affordable
from tasks.dispatcher import Dispatcher
from tasks.ending import end_in_time
from tasks.engine import Engine
from tasks.listener import Listener
from tasks.postman import Postman
from tasks.shares import Limits
from tasks.wakes import aside, register, unfailing
from tasks.wiring import (
    SHARED_CONNECTIONS,
    make_mail_server,
    make_policy,
    open_configured_queue,
)
from tasks.writer import Rules

log = logging.getLogger(__name__)

_SUBJECTS_A_MINUTE = 20_000  # of events of an older version: some seconds of processor time


def make_dispatcher(
    config: Config,
    *,
    lease_for: timedelta = LEASE,
    on_backlog: Callable[[], None] = lambda: None,
    on_mail: Callable[[], None] = lambda: None,
    clock: Callable[[], datetime] = utc_now,
) -> Dispatcher:
    """A dispatcher, which belongs to the event loop that uses it first."""
    delivery = config.delivery
    transport = GuardedTransport(make_policy(delivery), tls_context(delivery.ca_file))
    return Dispatcher(
        Sender(transport, delivery.timeout),
        lambda: load_vault(Path(config.secrets.key_file)),
        Rules(_schedule(config), delivery.recovery_window, config.history.keep, lease_for),
        Limits(affordable(delivery.concurrency), delivery.per_webhook, delivery.per_host),
        clock,
        on_backlog=on_backlog,
        on_mail=on_mail,
    )


def make_postman(
    config: Config, *, lease_for: timedelta = LEASE, clock: Callable[[], datetime] = utc_now
) -> Postman:
    """Raises BadConfig for a ca_file that cannot be used."""
    return Postman(
        make_mail_server(config),
        lambda: load_vault(Path(config.secrets.key_file)),
        _schedule(config),
        clock,
        lease_for,
    )


def _schedule(config: Config) -> Schedule:
    return Schedule(config.delivery.retry_after, config.delivery.max_attempts)


def assemble(config: Config, *, lease_for: timedelta = LEASE) -> tuple[Huey, Engine]:
    """The Huey whose consumer delivers, and its engine, which starts and stops with that."""
    open_database(config.database.url, connections=SHARED_CONNECTIONS)
    require_current()
    clock = DatabaseClock(utc_now)
    clock.set()
    close_idle_connections()
    tls_context(config.delivery.ca_file)  # so that a mistake in it shows now
    read_all()
    huey = open_configured_queue(config)
    name = own_name()

    settings = settings_of(config)

    def tell_that_it_lives() -> None:
        clock.set()
        record_tick(name, utc_now(), settings)

    def count() -> None:
        fold(clock())

    def prune() -> None:
        removed = prune_daily(config.history.keep, clock(), lambda: engine.is_stopping)
        if removed is not None:
            log.info("history pruned", extra={"deliveries": removed})

    def cut() -> None:
        cut_subjects(_SUBJECTS_A_MINUTE, lambda: engine.is_stopping)

    rounds = Sweep(_schedule(config), config.history.keep)

    def sweep() -> None:
        rounds.step(clock())
        set_aside_strays(clock())

    postman = make_postman(config, lease_for=lease_for, clock=clock)

    def mail() -> float | None:
        return postman.go(lambda: engine.is_stopping)

    engine = Engine(
        lambda: make_dispatcher(
            config,
            lease_for=lease_for,
            on_backlog=call_for_help,
            on_mail=lambda: engine.do(mail),
            clock=clock,
        ),
        clock,
        [tell_that_it_lives, prune, sweep, count, cut, mail],
        farewell=lambda: record_end(name, utc_now()),
    )

    listener = Listener(config.database.url, engine.look)

    @huey.on_startup()
    def start() -> None:
        proxy.dispose()  # a forked worker must not use the connections of its parent
        engine.start()
        listener.start()

    @huey.on_shutdown()
    def stop() -> None:
        listener.stop()
        engine.stop()

    # Only one consumer takes a wake. While there is a backlog, each calls the next.
    bells = register(huey, engine.tick, engine.look, engine.help)
    call_for_help = aside(unfailing(bells.call_for_help))
    return huey, engine


def __getattr__(name: str) -> Any:
    """`huey`, which is configured when it is first asked for: importing this does nothing."""
    if name != "huey":
        raise AttributeError(name)
    path = Path(os.environ.get(CONFIG_VARIABLE, DEFAULT_CONFIG))
    if threading.current_thread() is threading.main_thread():
        end_in_time()
    globals()["huey"], _ = assemble(load_config(path))
    return globals()["huey"]
