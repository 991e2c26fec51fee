"""Why a signature is wrong: the usual mistakes of those who verify one, tried in turn. Pure."""

import hmac
import json
import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from functools import partial
from typing import Any

from core.domain.signing import SECRET_PREFIX, SIGNATURE_HEADER, SIGNATURE_PREFIX, Secret

_HEX_DIGEST_LENGTH = 64
_WHOLE_HEADER = re.compile(rf"{SIGNATURE_HEADER}\s*:\s*(.*)", re.IGNORECASE | re.DOTALL)
_WHOLE = 10.0**21  # below this JavaScript writes whole numbers without an exponent


def explain_mismatch(secret: Secret, signature: str, body: bytes) -> str | None:
    """One sentence that says what was done wrong; None when the signature is right.

    `signature` may be the whole header with its name, as somebody copies it from a log.
    """
    given = _value_of(signature)
    if not given.startswith(SIGNATURE_PREFIX):
        return f'The signature does not start with "{SIGNATURE_PREFIX}": send the whole header.'
    if _is_right(secret, given, body):
        return None
    return _explain_length(secret, given, body) or _explain_digest(secret, given, body)


def _value_of(signature: str) -> str:
    value = signature.strip().strip("\"'")
    whole = _WHOLE_HEADER.fullmatch(value)
    return (whole[1] if whole else value).strip().strip("\"'")


def _is_right(secret: Secret, given: str, body: bytes) -> bool:
    return hmac.compare_digest(secret.sign(body).encode(), given.encode("utf-8", "replace"))


def _explain_length(secret: Secret, given: str, body: bytes) -> str | None:
    told = given.removeprefix(SIGNATURE_PREFIX)
    if len(told) == _HEX_DIGEST_LENGTH:
        return None
    digest = bytes.fromhex(secret.sign(body).removeprefix(SIGNATURE_PREFIX))
    if told == b64encode(digest).decode():
        return "The signature is right but in base64: it is sent in hex digits."
    return (
        f'The signature has {len(told)} characters after "{SIGNATURE_PREFIX}" instead of '
        f"{_HEX_DIGEST_LENGTH}: it was cut or padded on the way."
    )


def _explain_digest(secret: Secret, given: str, body: bytes) -> str:
    if _is_right(secret, given.lower(), body):
        return "The signature is right but for upper case: hex digits are sent in lower case."
    for key, slip in _other_keys(secret):
        if SIGNATURE_PREFIX + hmac.digest(key, body, "sha256").hex() == given:
            return slip
    secrets = [secret, *(Secret(text) for text, _ in _mended(secret))]
    for name, variant in _other_bodies(body):
        if any(_is_right(each, given, variant) for each in secrets):
            return f"The signature is right for the body {name}: verify the raw bytes as they came."
    return (
        "The signature was made with another secret or over other bytes: compare the secret with "
        "the one shown at creation or regeneration, and verify the raw body before parsing it."
    )


def _mended(secret: Secret) -> Iterator[tuple[str, str]]:
    """The secret as it was shown, for each mistake in copying it, and what the mistake was."""
    text = secret.reveal()
    bare = text.strip().strip("\"'")
    if bare != text:
        yield bare, "The secret was given with white space or quotes around it: leave those away."
    if not bare.startswith(SECRET_PREFIX):
        whole = SECRET_PREFIX + bare
        yield whole, f'The secret was given without its "{SECRET_PREFIX}", which is part of it.'


def _other_keys(secret: Secret) -> Iterator[tuple[bytes, str]]:
    for text, slip in _mended(secret):
        yield text.encode("utf-8", "replace"), slip
    text = secret.reveal().strip()
    bare = text.removeprefix(SECRET_PREFIX)
    used = f'the prefix "{SECRET_PREFIX}" is part of the secret.'
    yield bare.encode("utf-8", "replace"), f"The key was used without its prefix: {used}"
    for end in ("\n", "\r\n", " "):
        yield (
            f"{text}{end}".encode("utf-8", "replace"),
            "The key was used with white space behind it, as from a file that was read: strip it.",
        )
    padded = bare.replace("-", "+").replace("_", "/")
    try:
        decoded = b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (Base64Error, ValueError):
        return
    yield decoded, "The key was decoded from base64: the secret's text itself is the key."


def _other_bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "without its last line break", body.rstrip(b"\r\n")
    for end in (b"\n", b"\r\n"):
        yield "with a line break added", body + end
    yield "without its byte order mark", body.removeprefix(b"\xef\xbb\xbf")
    for ascii_only in (False, True):
        with suppress(ValueError, KeyError, TypeError, RecursionError):
            yield "as it was sent, from which this one was written", _as_sent(body, ascii_only)
    again = "parsed and written again"
    for name, write in _WRITERS:
        try:
            yield f"{again}, as {name} does", write(body)
        except (ValueError, RecursionError, OverflowError):
            continue


def _as_sent(body: bytes, ascii_only: bool) -> bytes:  # noqa: FBT001 - one of two, tried in turn
    """The body as a receiver makes it that parses and writes it again: our beginning, around the
    payload as Python's producers write it.
    """
    parsed = json.loads(body)
    head = {name: parsed[name] for name in ("event", "delivery_id", "created_at")}
    told = json.dumps(head, separators=_COMPACT)[:-1]
    payload = json.dumps(parsed["payload"], ensure_ascii=ascii_only)
    return f'{told},"payload":{payload}}}'.encode("utf-8", "surrogatepass")


def _python(body: bytes, **style: Any) -> bytes:
    return json.dumps(json.loads(body), **style).encode("utf-8", "surrogatepass")


def _node(body: bytes, **style: Any) -> bytes:
    """The body by JSON.stringify: every number is a double, and printable characters are not
    escaped.
    """
    parsed = json.loads(body, parse_int=_double, parse_float=_double)
    return json.dumps(parsed, ensure_ascii=False, **style).encode("utf-8", "surrogatepass")


def _double(text: str) -> float | int:
    value = float(text)
    if value.is_integer() and abs(value) < _WHOLE:
        return int(Decimal(repr(value)))  # the digits that a double has, followed by zeros
    return value


def _php(body: bytes, *, slashes: bool, unescaped: bool, arrays: bool, **style: Any) -> bytes:
    """The body by json_encode, from objects or, as most people do it, from arrays: then {} becomes
    [].
    """
    parsed = json.loads(
        body,
        parse_int=_php_whole,
        parse_float=_php_number,
        object_pairs_hook=(lambda pairs: dict(pairs) or []) if arrays else dict,
    )
    text = json.dumps(parsed, ensure_ascii=not unescaped, **style)
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")  # PHP always does
    return (text.replace("/", "\\/") if slashes else text).encode("utf-8", "surrogatepass")


def _php_whole(text: str) -> float | int:
    value = int(text)
    return value if -(2**63) <= value < 2**63 else float(text)


def _php_number(text: str) -> float | int:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 1e15 else value


_COMPACT = (",", ":")
_WRITERS: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
    ("Python's json.dumps", _python),
    ("Python's json.dumps", partial(_python, ensure_ascii=False)),
    ("Python's json.dumps without spaces", partial(_python, separators=_COMPACT)),
    (
        "Python's json.dumps without spaces",
        partial(_python, separators=_COMPACT, ensure_ascii=False),
    ),
    ("Node's JSON.stringify", partial(_node, separators=_COMPACT)),
    ("Node's JSON.stringify", partial(_node, indent=2)),
    *(
        (
            "PHP's json_encode",
            partial(_php, slashes=slashes, unescaped=unescaped, arrays=arrays, **style),
        )
        for slashes in (True, False)
        for unescaped in (False, True)
        for arrays in (True, False)
        for style in ({"separators": _COMPACT}, {"indent": 4})
    ),
)
