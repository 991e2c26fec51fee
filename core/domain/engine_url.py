"""URLs of databases and queues. They hold passwords, so no message may quote any part of one. Pure.

Drivers quote what they cannot read, and in a password they take what follows a stray `@` or `/` for
a host. So a URL that they could misread is refused here, when the configuration is read.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

SQLITE_PREFIX = "sqlite:///"
ENCODED = (
    'a URL whose user and password are percent-encoded ("@" as %40, "/" as %2F, "%" as %25, "#" '
    "as %23) and whose port is a number, such as "
)

_PARTS = re.compile(
    r"(?P<scheme>[a-z]+)://(?:(?P<login>[^@/?]*)@)?(?P<hosts>[^@/?]*)(?P<path>/[^@?]*)?"
    r"(?:\?(?P<query>[^@]*))?"
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(?::(?P<port>[0-9]{0,5}))?")
_READ_OVER = re.compile(r"[\x00-\x20\x7f]|%(?![0-9A-Fa-f]{2})|%00")  # which drivers read over
_READ_OVER_BY_REDIS = re.compile(r"[#\[\]]")
_PARAMETER = re.compile(r"[^=]+=[^=]*")
_TOLD = frozenset(  # others could be the rest of a password that has a "&" in it
    {"channel_binding", "dbname", "host", "hostaddr", "passfile", "port", "service", "sslcert"}
    | {"sslkey", "sslmode", "sslrootcert", "target_session_attrs", "user"}
)


class EngineUrl(NamedTuple):
    """What a URL consists of, each part as it is written; `login` includes the password."""

    scheme: str
    login: str
    hosts: str
    path: str
    parameters: tuple[str, ...]


def split_engine_url(url: str) -> EngineUrl:
    """The parts of the URL. Raises ValueError, which quotes nothing of it, where a driver could
    read it in another way.
    """
    matched = _PARTS.fullmatch(url)
    if matched is None or _READ_OVER.search(url):
        raise ValueError("this URL can be read in more than one way")
    unquote_to_bytes(url).decode()  # a UnicodeDecodeError is a ValueError
    parts = EngineUrl(
        matched["scheme"],
        matched["login"] or "",
        matched["hosts"],
        matched["path"] or "",
        tuple(matched["query"].split("&")) if matched["query"] else (),
    )
    if not _is_plain(parts):
        raise ValueError("this URL can be read in more than one way")
    return parts


def _is_plain(parts: EngineUrl) -> bool:
    hosts = [_HOST.fullmatch(host) for host in parts.hosts.split(",")]
    ports = [matched["port"] for matched in hosts if matched is not None]
    return (
        None not in hosts
        and all(1 <= int(port) <= 65535 for port in ports if port)
        and all(_PARAMETER.fullmatch(parameter) for parameter in parts.parameters)
        and (parts.scheme.startswith("postgres") or not _READ_OVER_BY_REDIS.search(parts.login))
    )


def without_password(url: str) -> str:
    """The URL for a command line that others see. Raises ValueError as `split_engine_url` does."""
    parts = split_engine_url(url)
    user = parts.login.partition(":")[0]
    told = [each for each in parts.parameters if each.split("=")[0] in _TOLD]
    login = f"{user}@" if user else ""
    query = f"?{'&'.join(told)}" if told else ""
    return f"{parts.scheme}://{login}{parts.hosts}{parts.path}{query}"
