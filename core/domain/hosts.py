"""What people call a server."""

from urllib.parse import urlsplit


def host_of(url: str) -> str:
    """The URL's host, and its port where it names one."""
    return urlsplit(url).netloc.rpartition("@")[2]
