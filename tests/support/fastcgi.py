"""As much of FastCGI 1.0 (sections 3 to 5 of it) as a web server needs to ask PHP-FPM."""

import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.support.waiting import PATIENCE

_BEGIN, _END, _PARAMS, _STDIN, _STDOUT = 1, 3, 4, 5, 6
_RESPONDER = struct.pack("!HB5x", 1, 0)
_HEADER = struct.Struct("!BBHHBx")  # version, type, request, length of the content, of the padding
_LONGEST = 0xFFFF  # bytes of one record


def ask(at: Path, variables: Mapping[str, str], body: bytes) -> int:
    """The status that the program behind that socket answers with, as soon as it has answered."""
    with socket.socket(socket.AF_UNIX) as server:
        server.settimeout(PATIENCE)
        server.connect(str(at))
        pairs = b"".join(_pair(*pair) for pair in variables.items())
        server.sendall(_record(_BEGIN, _RESPONDER) + _stream(_PARAMS, pairs))
        server.sendall(_stream(_STDIN, body))
        answer = b"".join(_answer(server))
    head = answer.partition(b"\r\n\r\n")[0]
    return next(
        (int(line[7:11]) for line in head.split(b"\r\n") if line.startswith(b"Status:")), 200
    )


def _pair(name: str, value: str) -> bytes:
    texts = name.encode(), value.encode()
    return b"".join(struct.pack("!I", len(text) | 1 << 31) for text in texts) + b"".join(texts)


def _stream(kind: int, content: bytes) -> bytes:
    """In records, and the empty one that ends it."""
    parts = [content[at : at + _LONGEST] for at in range(0, len(content), _LONGEST)]
    return b"".join(_record(kind, part) for part in [*parts, b""])


def _record(kind: int, content: bytes) -> bytes:
    return _HEADER.pack(1, kind, 1, len(content), 0) + content


def _answer(server: socket.socket) -> Iterator[bytes]:
    with server.makefile("rb") as records:
        while header := records.read(_HEADER.size):
            _, kind, _, length, padding = _HEADER.unpack(header)
            content = records.read(length)
            records.read(padding)
            if kind == _END:
                return
            if kind == _STDOUT:
                yield content
