"""What every command is given: where the configuration is, and what is made from it on demand."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path

import click
from peewee import PeeweeException

from core.config import Config, load_config, settings_of
from core.domain.actors import Actor
from core.domain.url_policy import UrlPolicy
from core.errors import BadConfig, BadInput, NotFound, WebhooksError
from core.storage.database import first_line, open_database
from core.storage.schema import require_current
from core.storage.vault import Vault, load_vault
from core.use_cases import membership, workers
from tasks.wiring import make_policy, make_wake


@dataclass
class Program:
    """The composition root of one command."""

    config_path: Path

    @cached_property
    def config(self) -> Config:
        return load_config(self.config_path)

    def open(self) -> Config:
        """The configuration, with its database bound and its schema checked."""
        open_database(self.config.database.url)
        require_current()
        return self.config

    @cached_property
    def wake(self) -> Callable[[], None]:
        return make_wake(self.config)

    @property
    def policy(self) -> UrlPolicy:
        return make_policy(self.config.delivery)

    def vault(self) -> Vault:
        return load_vault(Path(self.config.secrets.key_file))


@contextmanager
def queue_explained() -> Iterator[None]:
    """Turn what the queue's engine raises into one sentence an operator can act on."""
    try:
        yield
    except (WebhooksError, PeeweeException):
        raise
    except Exception as error:  # each engine raises errors of its own
        if getattr(error, "sqlstate", None):
            from core.storage.postgres import told_by  # noqa: PLC0415 - its driver is an extra

            if meaning := told_by(error):
                raise BadConfig(meaning) from error
        is_new = type(error).__name__ == "UndefinedTable"
        advice = "run `aurapos-webhooks migrate`" if is_new else "check [queue] url"
        told = first_line(error).rstrip(".")
        raise BadConfig(f"The queue does not answer ({told}): {advice}.") from error


def others_settings(config: Config, now: datetime) -> str:
    """What a running worker has set otherwise than this configuration; "" when nothing."""
    ours = settings_of(config)
    for name, theirs in workers.settings_of_consumers(now).items():
        keys = [key for key in ours if ours[key] != theirs.get(key, ours[key])]
        if keys:
            return (
                f"the worker {name} runs with another {', '.join(keys)} than the configuration "
                "has now: restart it"
            )
    return ""


pass_program = click.make_pass_decorator(Program)


def actor_as(login: str | None, where: str = "cli") -> Actor:
    """A member by login, or the operator; with where they act from, for the audit trail.

    `SSH_CONNECTION` is sshd's own word, and only ever a word: nothing is decided by it.
    """
    client = os.environ.get("SSH_CONNECTION", "").split(" ")[0]
    return Actor(login, f"{where} {client}".strip())


def operator() -> Actor:
    """Whoever holds the database."""
    return actor_as(None)


def choose_business(actor: Actor, business_id: int | None) -> int:
    """The business named, or the only one there is to name."""
    if business_id is not None:
        return business_id
    rows = membership.businesses(actor)
    if not rows and actor.login is not None:
        known = "see `aurapos-webhooks member list`"
        raise NotFound(f'No business here has an owner "{actor.login}": {known}.')
    if not rows:
        raise NotFound("There is no business here: make one with `aurapos-webhooks business add`.")
    if len(rows) > 1:
        known = ", ".join(f"{row.id} ({row.name})" for row in rows)
        raise BadInput(f"Name a business with --business ID: {known}.")
    return rows[0].id


business_option = click.option(
    "--business", "business_id", type=int, metavar="ID", help="Which business, if there are more."
)
as_option = click.option("--as", "login", metavar="LOGIN", help="Act as a member, with its rights.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
