"""TOML → one frozen `Config`. Only the roots read it; everyone else is handed values."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

from core.domain.editions import WEBHOOKS_LIMIT
from core.domain.engine_url import ENCODED, SQLITE_PREFIX, split_engine_url
from core.domain.language import Language
from core.domain.mail import parse_address, parse_smtp
from core.errors import BadConfig, BadInput

CONFIG_VARIABLE = "AURAPOS_WEBHOOKS_CONFIG"
DEFAULT_CONFIG = Path("config.toml")

Network = IPv4Network | IPv6Network

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])")
_DATABASES = re.compile(r"sqlite:///.+|postgres(ql)?://.+", re.DOTALL)
_QUEUES = re.compile(r"sqlite:///.+|postgres(ql)?://.+|rediss?://.+|unix:///.+", re.DOTALL)
_MOST_CONCURRENT = 10_000
_MOST_ATTEMPTS = 100
_MOST_WEBHOOKS = 100_000
_LONGEST = "3650d"
_LONGEST_ATTEMPT = "20s"  # shorter than a lease, or a second worker would send it too


class _Bad(Exception):
    """Says what would be right in place of a bad value."""


def parse_duration(text: object) -> timedelta:
    """A duration such as `"10s"`, `"5m"`, `"2h"` or `"90d"`, also with a fraction. Raises
    ValueError.
    """
    matched = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if matched is None:
        raise ValueError('a duration such as "10s", "5m", "2h" or "90d"')
    try:
        return timedelta(**{_UNITS[matched[2]]: float(matched[1])})
    except OverflowError:
        raise ValueError("a duration shorter than that") from None


def _duration(longest: str) -> Callable[[object], timedelta]:
    def parse(value: object) -> timedelta:
        duration = parse_duration(value)
        if not timedelta() < duration <= parse_duration(longest):
            raise _Bad(f'a duration longer than nothing and up to "{longest}"')
        return duration

    return parse


def _duration_or_none(value: object) -> timedelta:
    """The same, and `"0s"` as well, which turns off what it is for."""
    duration = parse_duration(value)
    return duration and _duration(_LONGEST)(value)


def _durations(value: object) -> tuple[timedelta, ...]:
    if not isinstance(value, list) or not value:
        raise _Bad('a list of durations such as ["1m", "5m", "30m", "2h", "12h"]')
    return tuple(_duration(_LONGEST)(item) for item in value)


def _whole(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise _Bad(f"a whole number from {least} to {most}")
        return value

    return parse


def _one_of(*words: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise _Bad(" or ".join(f'"{word}"' for word in words))
        return value

    return parse


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Bad("true or false")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _Bad("text in quotes")
    return value


def _url(pattern: re.Pattern[str], right: str) -> Callable[[object], str]:
    """A check of a URL. A value that it refuses is never quoted, since it may hold a password."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise _Bad(right)
        if not value.startswith(SQLITE_PREFIX):
            try:
                split_engine_url(value)
            except ValueError:
                raise _Bad(f"{ENCODED}{right}") from None
        return value

    return parse


def _mail_address(value: object) -> str:
    """Or none, where there is no mail."""
    text = _text(value)
    try:
        return text and parse_address(text)
    except BadInput:
        raise _Bad('a mail address such as "alerts@example.com"') from None


def _smtp(value: object) -> str:
    """Or none, where there is no mail. A value that is refused is not quoted: it has a password."""
    text = _text(value)
    try:
        return text if not text or parse_smtp(text) else ""
    except ValueError:
        raise _Bad(f'{ENCODED}"smtp://user:password@host:587" or "smtps://…"') from None


def _networks(value: object) -> tuple[Network, ...]:
    if not isinstance(value, list):
        raise _Bad('a list of networks such as ["127.0.0.0/8"]')
    try:
        return tuple(ip_network(_text(item)) for item in value)
    except ValueError as error:
        raise _Bad(f'networks such as "127.0.0.0/8" ({error})') from None


def _key(parse: Callable[[object], Any], default: Any) -> Any:
    return field(default=default, metadata={"parse": parse})


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    url: str = _key(
        _url(_DATABASES, '"sqlite:///FILE" or "postgresql://user:password@host/name"'),
        "sqlite:///aurapos-webhooks.db",
    )


@dataclass(frozen=True, slots=True)
class QueueConfig:
    url: str = _key(
        _url(
            _QUEUES,
            '"sqlite:///FILE", "redis://host:6379/0", "unix:///redis.sock" or "postgresql://…"',
        ),
        "sqlite:///aurapos-webhooks-queue.db",
    )


@dataclass(frozen=True, slots=True)
class SecretsConfig:
    key_file: str = _key(_text, "aurapos-webhooks.key")


@dataclass(frozen=True, slots=True)
class DeliveryConfig:
    timeout: timedelta = _key(_duration(_LONGEST_ATTEMPT), timedelta(seconds=10))
    retry_after: tuple[timedelta, ...] = _key(
        _durations, tuple(timedelta(minutes=wait) for wait in (1, 5, 30, 120, 720))
    )
    max_attempts: int = _key(_whole(1, _MOST_ATTEMPTS), 5)
    recovery_window: timedelta = _key(_duration_or_none, timedelta(hours=12))
    concurrency: int = _key(_whole(1, _MOST_CONCURRENT), 256)
    per_webhook: int = _key(_whole(1, _MOST_CONCURRENT), 16)
    per_host: int = _key(_whole(1, _MOST_CONCURRENT), 64)
    allow_http: bool = _key(_truth, default=False)
    allow_networks: tuple[Network, ...] = _key(_networks, ())
    ca_file: str = _key(_text, "")


@dataclass(frozen=True, slots=True)
class HistoryConfig:
    keep: timedelta = _key(_duration(_LONGEST), timedelta(days=90))


@dataclass(frozen=True, slots=True)
class MailConfig:
    smtp: str = _key(_smtp, "")
    sender: str = _key(_mail_address, "")


@dataclass(frozen=True, slots=True)
class UiConfig:
    language: str = _key(_one_of(*Language), Language.ENGLISH.value)


@dataclass(frozen=True, slots=True)
class LimitsConfig:
    webhooks: int = _key(_whole(1, _MOST_WEBHOOKS), WEBHOOKS_LIMIT)


@dataclass(frozen=True, slots=True)
class LogConfig:
    format: str = _key(_one_of("text", "json"), "text")


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that can be configured, in the sections of the file; see config.example.toml."""

    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    queue: QueueConfig = field(default_factory=QueueConfig)
    secrets: SecretsConfig = field(default_factory=SecretsConfig)
    delivery: DeliveryConfig = field(default_factory=DeliveryConfig)
    history: HistoryConfig = field(default_factory=HistoryConfig)
    mail: MailConfig = field(default_factory=MailConfig)
    ui: UiConfig = field(default_factory=UiConfig)
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    log: LogConfig = field(default_factory=LogConfig)


_SECTIONS: Mapping[str, type[Any]] = {
    "database": DatabaseConfig,
    "queue": QueueConfig,
    "secrets": SecretsConfig,
    "delivery": DeliveryConfig,
    "history": HistoryConfig,
    "mail": MailConfig,
    "ui": UiConfig,
    "limits": LimitsConfig,
    "log": LogConfig,
}


def load_config(path: Path) -> Config:
    """The configuration in a TOML file; relative paths in it are relative to the file.

    Raises BadConfig, which names the file, the key and what would be right.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise BadConfig(
            f"There is no configuration file {path}: make one with `aurapos-webhooks init`, or "
            "name yours with --config."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfig(f"The configuration file {path} cannot be read: {error}.") from None
    except tomllib.TOMLDecodeError as error:
        raise BadConfig(f"The configuration file {path} is not valid TOML: {error}.") from None
    return _relative_to(path.parent.absolute(), parse_config(document, str(path)))


def parse_config(document: Mapping[str, Any], name: str) -> Config:
    """A parsed TOML document as a Config; `name` is what messages call the file."""
    _refuse_unknown(document, _SECTIONS, name, "")
    sections = {
        section: _parse_section(kind, document[section], name, section)
        for section, kind in _SECTIONS.items()
        if section in document
    }
    config = Config(**sections)
    _refuse_half_a_mail(config.mail, name)
    return config


def _refuse_half_a_mail(mail: MailConfig, name: str) -> None:
    """What one key makes another need."""
    if mail.smtp and not mail.sender:
        raise BadConfig(f"In {name}, mail.sender must be given too: the address mail comes from.")


def _parse_section(kind: type[Any], table: object, name: str, section: str) -> Any:
    if not isinstance(table, dict):
        raise BadConfig(f"In {name}, {section} must be a section: write [{section}] above it.")
    known = {each.name: each for each in fields(kind)}
    _refuse_unknown(table, known, name, f"{section}.")
    values = {}
    for key, value in table.items():
        try:
            values[key] = known[key].metadata["parse"](value)
        except (_Bad, ValueError) as right:
            raise BadConfig(f"In {name}, {section}.{key} must be {right}.") from None
    return kind(**values)


def _refuse_unknown(
    table: Mapping[str, object], known: Mapping[str, object], name: str, prefix: str
) -> None:
    for key in table:
        if key not in known:
            raise BadConfig(
                f"In {name}, {prefix}{key} is not a key this program knows: "
                f"the keys here are {', '.join(known)}."
            )


def _relative_to(folder: Path, config: Config) -> Config:
    def absolute(url: str) -> str:
        scheme, _, rest = url.partition(":///")
        return f"{scheme}:///{folder / rest}" if scheme == "sqlite" else url

    def beside(path: str) -> str:
        return str(folder / path) if path else path

    return Config(
        DatabaseConfig(absolute(config.database.url)),
        QueueConfig(absolute(config.queue.url)),
        SecretsConfig(beside(config.secrets.key_file)),
        replace(config.delivery, ca_file=beside(config.delivery.ca_file)),
        config.history,
        config.mail,
        config.ui,
        config.limits,
        config.log,
    )


def settings_of(config: Config) -> dict[str, str]:
    """What a worker does, by `section.key`: whatever must be the same for all that share a
    database.

    Where files are, who logs in and how the log looks may differ from machine to machine.
    """
    told = {
        f"{section}.{key.name}": _told(getattr(getattr(config, section), key.name))
        for section in ("delivery", "history")
        for key in fields(getattr(config, section))
    }
    server = parse_smtp(config.mail.smtp) if config.mail.smtp else None
    place = f"{server.host}:{server.port}" if server is not None else ""
    mail = {"mail.smtp": place, "mail.sender": config.mail.sender}
    return {"queue.url": _place(config.queue.url), **told, **mail}


def _told(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _place(url: str) -> str:
    if url.startswith(SQLITE_PREFIX):
        return url
    parts = split_engine_url(url)
    return f"{parts.scheme}://{parts.hosts}{parts.path}"
