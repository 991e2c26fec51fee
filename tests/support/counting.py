"""A receiver in a process of its own that costs little and forgets nothing: answers 200 to all."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_LINE = 36 + 1 + 64 + 1  # bytes: a delivery id, the digest of a body


class Post(NamedTuple):
    delivery_id: str
    digest: str  # SHA-256 of the body


class Counted:
    """What has been POSTed so far."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: Path) -> None:
        self.url = url
        self._process = process
        self._log = log

    def __len__(self) -> int:
        return self._log.stat().st_size // _LINE

    def posts(self) -> list[Post]:
        return [Post(*line.split()) for line in self._log.read_text().splitlines()]

    def go_on(self) -> None:
        """Answer what was left without an answer, and everything that comes."""
        self._process.send_signal(signal.SIGUSR1)


@contextmanager
def counting(folder: Path, at_first: int = sys.maxsize) -> Iterator[Counted]:
    """It answers so many `at_first`, and the others once it is told to go on."""
    log = folder / "posts.log"
    command = [sys.executable, __file__, log, str(at_first)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        url = f"http://127.0.0.1:{int(process.stdout.readline())}/"
        yield Counted(process, url, log)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class _Answers:
    def __init__(self, at_first: int) -> None:
        self._left = at_first
        self._owed = list[asyncio.WriteTransport]()

    def give(self, transport: asyncio.WriteTransport) -> None:
        if self._left > 0:
            self._left -= 1
            transport.write(_ANSWER)
        else:
            self._owed.append(transport)

    def go_on(self) -> None:
        self._left = sys.maxsize
        for transport in self._owed:
            transport.write(_ANSWER)
        self._owed.clear()


class _Receiver(asyncio.Protocol):
    def __init__(self, log: BinaryIO, answers: _Answers) -> None:
        self._log = log
        self._answers = answers
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._pending += data
        while (end := self._pending.find(b"\r\n\r\n")) >= 0:
            head = self._pending[:end].lower()
            whole = end + 4 + int(_header(head, b"content-length"))
            if len(self._pending) < whole:
                return
            digest = sha256(self._pending[end + 4 : whole]).hexdigest()
            self._log.write(b"%s %s\n" % (_header(head, b"x-aurapos-delivery"), digest.encode()))
            self._pending = self._pending[whole:]
            self._answers.give(self._transport)  # type: ignore[arg-type]  # it is a Transport


def _header(head: bytes, name: bytes) -> bytes:
    return head.partition(b"\r\n" + name + b":")[2].partition(b"\r\n")[0].strip()


async def _serve(log: Path, at_first: int) -> None:
    loop = asyncio.get_running_loop()
    answers = _Answers(at_first)
    loop.add_signal_handler(signal.SIGUSR1, answers.go_on)
    with log.open("ab", buffering=0) as file:
        server = await loop.create_server(
            lambda: _Receiver(file, answers), "127.0.0.1", 0, backlog=2048
        )
        sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
