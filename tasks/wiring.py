"""What every root makes from the configuration: the URL policy, the queue, the wake.

It is light on purpose: a command that sends nothing must not wait for the imports of what sends.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import Config, DeliveryConfig
from core.domain.mail import parse_smtp
from core.domain.url_policy import UrlPolicy
from core.storage.bell import ring
from core.storage.vault import load_vault
from tasks.wakes import bell

if TYPE_CHECKING:
    from huey import Huey

    from core.outbound.mail import MailServer

SHARED_CONNECTIONS = 4
"""To PostgreSQL, for the threads of a worker: what delivers has one or two, chores take turns."""

CONNECTIONS_OF_A_WORKER = SHARED_CONNECTIONS + 2
"""The same with that for last looks and that for the bell; those of its queue come on top."""


def make_policy(delivery: DeliveryConfig) -> UrlPolicy:
    return UrlPolicy(allow_http=delivery.allow_http, allow_networks=delivery.allow_networks)


def make_mail_server(config: Config) -> "MailServer | None":
    """None where no mail is configured. Raises BadConfig for a ca_file that cannot be used."""
    if not config.mail.smtp:
        return None
    from core.outbound.mail import MailServer  # noqa: PLC0415 - as above
    from core.outbound.tls import trusting  # noqa: PLC0415 - as above

    to, tls = parse_smtp(config.mail.smtp), trusting(config.delivery.ca_file)
    return MailServer(to, config.mail.sender, tls)


def open_configured_queue(config: Config, *, create: bool = False, to_ring: bool = False) -> "Huey":
    from tasks.queue import open_queue  # noqa: PLC0415 - Huey brings every storage it knows

    key = load_vault(Path(config.secrets.key_file)).queue_key()
    return open_queue(config.queue.url, key, create=create, to_ring=to_ring)


def make_wake(config: Config) -> Callable[[], None]:
    """What rings a worker by the queue, and where that is away by the database."""
    return bell(lambda: open_configured_queue(config, to_ring=True), ring)
