"""What every root makes from the configuration: the URL policy, the queue, the wake.

It is light on purpose: a command that sends nothing must not wait for the imports of what sends.
"""

import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.config import Config, DeliveryConfig, MailConfig
from core.domain.url_policy import UrlPolicy
from core.errors import BadConfig, system_words
from core.storage.vault import load_vault
from tasks.wakes import bell

if TYPE_CHECKING:
    from huey import Huey

    from core.outbound.mail import MailServer

CONFIG_VARIABLE = "AURAPOS_WEBHOOKS_CONFIG"
DEFAULT_CONFIG = Path("config.toml")
_LONGEST_PASSWORD = 1024


def make_policy(delivery: DeliveryConfig) -> UrlPolicy:
    return UrlPolicy(allow_http=delivery.allow_http, allow_networks=delivery.allow_networks)


def make_mail_server(mail: MailConfig) -> "MailServer | None":
    """None where no mail is configured. Raises BadConfig for a ca_file that cannot be used."""
    if not mail.host:
        return None
    from core.outbound.mail import MailServer  # noqa: PLC0415 - as above
    from core.outbound.tls import trusting  # noqa: PLC0415 - as above

    tls = trusting(mail.ca_file, "[mail]")
    password = partial(read_password, Path(mail.password_file))
    return MailServer(mail.host, mail.port, mail.user, password, mail.sender, tls)


def read_password(path: Path) -> str:
    """The first line of a file that others cannot read. Raises BadConfig."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            if os.fstat(file.fileno()).st_mode & stat.S_IRWXO:
                raise BadConfig(f"[mail] password_file {path} is open to others: chmod it to 600.")
            return file.readline(_LONGEST_PASSWORD).strip("\r\n")
    except OSError as error:
        why = system_words(error)
    except UnicodeDecodeError:
        why = "it is not UTF-8"
    raise BadConfig(f"[mail] password_file {path} cannot be read ({why}): mend it or its name.")


def open_configured_queue(config: Config, *, create: bool = False, to_ring: bool = False) -> "Huey":
    from tasks.queue import open_queue  # noqa: PLC0415 - Huey brings every storage it knows

    key = load_vault(Path(config.secrets.key_file)).queue_key()
    return open_queue(config.queue.url, key, create=create, to_ring=to_ring)


def make_wake(config: Config) -> Callable[[], None]:
    return bell(lambda: open_configured_queue(config, to_ring=True))
