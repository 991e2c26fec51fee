"""May this URL, may this address, be called? Pure.

We read URLs by rules of our own, which are stricter than those of any URL parser. Parsers differ in
what they forgive, and each difference is a way in. Only what passes here is ever handed to a
parser.
"""

import re
import string
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from urllib.parse import quote

import idna

from core.domain.details import NOT_PUBLIC
from core.domain.language import N_
from core.errors import BlockedUrl

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

URL_LIMIT = 2048
_LABEL_LIMIT, _HOST_LIMIT = 63, 253
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_AUTHORITY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>[^:]*))?")
# No registered host name has an underscore, but people use such names all the same.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DEFAULT_PORTS = {"https": 443, "http": 80}
# The ports from 1024 on that browsers refuse as well (WHATWG Fetch, "bad port").
_BAD_PORTS = frozenset(
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6697, 10080}
    | set(range(6665, 6670))
)
_PATH_SAFE = "".join(sorted(set(string.printable[:-6]) - set('"<>`{}|^')))

_SPECIAL_NAMES = (
    *("alt", "arpa", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "local"),
    *("localdomain", "localhost", "mail", "onion", "private", "svc", "test", "workgroup"),
)
_REFUSED_V4 = tuple(
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        "168.63.129.16/32",
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20")
)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL in its one canonical spelling, and its parts; an IPv6 host has no brackets."""

    url: str
    scheme: str
    host: str
    port: int
    path: str  # including the query
    authority: str  # what the Host header says


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """What may be called: public https and, in development, what the two settings add to it."""

    allow_http: bool = False
    allow_networks: tuple[Network, ...] = ()

    def check_url(self, text: str) -> Target:
        """The URL as it is stored and shown. Raises BlockedUrl, with one sentence for the owner."""
        _check_text(text)
        scheme, rest = self._scheme(text)
        typed, path = _split_authority(rest)
        if "@" in typed:
            raise BlockedUrl(
                N_("The URL holds a user name or password: remove what is before the @.")
            )
        host_text, port_text = _split_port(typed)
        host = self._host(host_text)
        port = _port(port_text, scheme)
        shown = f"[{host}]" if ":" in host else host
        suffix = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
        authority = f"{shown}{suffix}"
        url = f"{scheme}://{authority}{path}"
        if len(url) > URL_LIMIT:
            raise BlockedUrl(
                N_("The URL is longer than {limit} characters: use a shorter one."), limit=URL_LIMIT
            )
        return Target(url, scheme, host, port, path, authority)

    def accepts(self, text: str) -> bool:
        """Whether `check_url` accepts this URL."""
        try:
            self.check_url(text)
        except BlockedUrl:
            return False
        return True

    def check_addresses(self, host: str, addresses: Sequence[str]) -> list[str]:
        """Every answer of a name lookup. Raises BlockedUrl if any of them must not be called.

        The message does not name the address: what a webhook shows of a network must not map it.
        """
        if not all(self.allows_address(address) for address in addresses):
            raise BlockedUrl(NOT_PUBLIC, host=host)
        return list(addresses)

    def allows_address(self, text: str) -> bool:
        """Whether this address may be dialled; a text that is no address may not."""
        try:
            address = _unmapped(ip_address(text))
        except ValueError:
            return False
        if any(address in network for network in self.allow_networks):
            return True
        return _is_public(address)

    def _scheme(self, text: str) -> tuple[str, str]:
        found = _SCHEME.match(text)
        scheme = found[1].lower() if found else ""
        allowed = ("https", "http") if self.allow_http else ("https",)
        if found is None or scheme not in allowed:
            raise BlockedUrl(N_("The URL must begin with https:// to be private on its way."))
        rest = text[found.end() :]
        if not rest.startswith("//"):
            raise BlockedUrl(
                N_("Two slashes are missing: write {scheme}:// before the name."), scheme=scheme
            )
        return scheme, rest[2:]

    def _host(self, text: str) -> str:
        if text.startswith("["):
            return self._literal(_ipv6(text[1:-1]))
        host = _ascii_host(text)
        last = host.rpartition(".")[2]
        if _NUMBER.fullmatch(last):
            return self._literal(_ipv4(host))
        if not self.allow_networks:
            _check_public_name(host)
        return host

    def _literal(self, address: Address) -> str:
        self.check_addresses(str(address), [str(address)])
        return str(address)


def _check_text(text: str) -> None:
    if not text:
        raise BlockedUrl(N_("The URL is empty: write one such as https://example.com/webhooks."))
    if len(text) > URL_LIMIT:
        raise BlockedUrl(
            N_("The URL is longer than {limit} characters: use a shorter one."), limit=URL_LIMIT
        )
    if not text.isprintable() or " " in text:
        raise BlockedUrl(N_("The URL holds a space or an invisible character: type it again."))
    if "\\" in text:
        raise BlockedUrl(N_("The URL holds a backslash: write / instead."))
    if "#" in text:
        raise BlockedUrl(N_("The URL holds a #, which is never sent: remove it and what follows."))


def _split_authority(rest: str) -> tuple[str, str]:
    """Host and port, and the request target, in which non-ASCII characters are percent-encoded."""
    at = min((index for mark in "/?" if (index := rest.find(mark)) >= 0), default=len(rest))
    authority, target = rest[:at], rest[at:]
    if not authority:
        raise BlockedUrl(
            N_("The URL has no host name: write one such as https://example.com/hook.")
        )
    if _ESCAPE.search(target):
        raise BlockedUrl(
            N_("The URL holds a % that two hex digits do not follow: write it as %25.")
        )
    path, _, query = target.partition("?")
    try:
        whole = _without_dots(path) + (f"?{query}" if query else "")
        return authority, quote(whole, safe=_PATH_SAFE)
    except UnicodeEncodeError:
        raise BlockedUrl(N_("The URL holds a broken character: type it again.")) from None


def _without_dots(path: str) -> str:
    """The path as a server or a proxy reads it, with `.` and `..` resolved (RFC 3986, 5.2.4).

    So what is stored and shown is what goes over the wire, and nobody rewrites it on the way.
    """
    kept: list[str] = []
    segment = ""
    for segment in path.removeprefix("/").split("/"):
        match segment.lower().replace("%2e", "."):
            case "..":
                del kept[-1:]
            case ".":
                pass
            case _:
                kept.append(segment)
    if segment.lower().replace("%2e", ".") in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


def _split_port(authority: str) -> tuple[str, str | None]:
    found = _AUTHORITY.fullmatch(authority)
    if found is None or not found["host"]:
        raise BlockedUrl(N_("The host name cannot be read: write one such as example.com."))
    return found["host"], found["port"]


def _port(text: str | None, scheme: str) -> int:
    default = _DEFAULT_PORTS[scheme]
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= len("65535")):
        raise BlockedUrl(N_("The port is not a number: write one such as :8443, or none."))
    port = int(text)
    if port != default and (not 1024 <= port <= 65535 or port in _BAD_PORTS):
        raise BlockedUrl(
            N_("Port {port} is not allowed: use 443, or one from 1024 to 65535."), port=port
        )
    return port


def _ascii_host(text: str) -> str:
    """The host by UTS 46, as DNS is asked for it; from here on only this is checked."""
    if "%" in text:
        raise BlockedUrl(N_("The host name holds a %: write it plainly."))
    try:
        host = idna.uts46_remap(text, std3_rules=False, transitional=False)
    except idna.IDNAError:
        raise _not_a_name() from None
    if host.endswith("."):
        raise BlockedUrl(N_("The host name ends in a dot: remove the dot."))
    if len(host) > _HOST_LIMIT:
        raise _not_a_name()
    ascii_host = ".".join(_ascii_label(label) for label in host.split("."))
    if len(ascii_host) > _HOST_LIMIT:
        raise _not_a_name()
    return ascii_host


def _ascii_label(label: str) -> str:
    try:
        encoded = idna.alabel(label).decode() if _needs_idna(label) else label
    except (idna.IDNAError, UnicodeError):
        raise _not_a_name() from None
    if len(encoded) > _LABEL_LIMIT or not _LABEL.fullmatch(encoded):
        raise _not_a_name()
    return encoded


def _needs_idna(label: str) -> bool:
    return not label.isascii() or label.startswith("xn--")


def _not_a_name() -> BlockedUrl:
    return BlockedUrl(N_("The host is not a valid name: write one such as example.com."))


def _check_public_name(host: str) -> None:
    labels = host.split(".")
    if len(labels) == 1:
        raise BlockedUrl(
            N_("{host} is a name inside a network: write a whole one, with its domain."), host=host
        )
    if labels[-1] in _SPECIAL_NAMES:
        raise BlockedUrl(
            N_("Names that end in .{ending} are not public: a webhook needs one."),
            ending=labels[-1],
        )


def _ipv4(host: str) -> IPv4Address:
    """An address in its one canonical spelling: other spellings are used to get round checks."""
    try:
        address = IPv4Address(host)
    except AddressValueError:
        address = None
    if address is None or str(address) != host:
        raise BlockedUrl(N_("The host is a number: write a name, or an address such as 8.8.8.8."))
    return address


def _ipv6(text: str) -> Address:
    if "%" in text:
        raise BlockedUrl(
            N_("The address has a zone (%…), which means nothing elsewhere: remove it.")
        )
    try:
        return _unmapped(IPv6Address(text))
    except AddressValueError:
        raise BlockedUrl(N_("What is in the brackets is not an IPv6 address: mend it.")) from None


def _unmapped(address: Address) -> Address:
    """The IPv4 address, where an address is one written as ::ffff:a.b.c.d."""
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def _is_public(address: Address) -> bool:
    """Whether it is public. `is_global` alone does not tell: multicast, 6to4, NAT64 and others have
    it.
    """
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _REFUSED_V4)
    return (
        address.is_global
        and address in _GLOBAL_V6
        and not address.scope_id
        and not any(address in network for network in _REFUSED_V6)
    )
