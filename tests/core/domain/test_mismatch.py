"""The slips of those who verify a signature, found by trying them; PHP's and Node's for real."""

import hmac
import json
import os
import subprocess
from base64 import b64decode, b64encode

import pytest

from core.domain.mismatch import explain_mismatch
from core.domain.signing import Secret, build_body
from tests.support.programs import needs

SECRET = Secret("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwQabbBcCdDeF")
PAYLOAD = (
    '{"total":55.10,"zero":10.0,"nom":"é","chemin":"a/b","u":"\u2028","n":12345678901234567890,'
    '"rien":{},"liste":[],"small":0.001,"max":9007199254740993}'
)


def body_with(payload: str) -> bytes:
    delivery, moment = "7f3a1c52-4a1b-4d2e-9f00-0123456789ab", "2026-05-17T14:32:08.123Z"
    return build_body("ticket.created", delivery, moment, payload.encode())


BODY = body_with(PAYLOAD)


def keyed(key: bytes) -> str:
    return "sha256=" + hmac.digest(key, BODY, "sha256").hex()


def in_base64(signature: str) -> str:
    return "sha256=" + b64encode(bytes.fromhex(signature.removeprefix("sha256="))).decode()


def test_a_right_signature_has_nothing_to_explain() -> None:
    assert explain_mismatch(SECRET, SECRET.sign(BODY), BODY) is None
    assert explain_mismatch(SECRET, f" {SECRET.sign(BODY)}\n", BODY) is None


SPACED = json.dumps(json.loads(BODY)).encode()
COMPACT = json.dumps(json.loads(BODY), separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        ("", 'does not start with "sha256="'),
        (SECRET.sign(BODY).removeprefix("sha256="), 'does not start with "sha256="'),
        (SECRET.sign(BODY)[:-1], "63 characters"),
        (SECRET.sign(BODY).upper().replace("SHA256", "sha256"), "upper case"),
        (SECRET.sign(BODY + b"\n"), "with a line break added"),
        (SECRET.sign(SPACED), "parsed and written again"),
        (SECRET.sign(COMPACT), "parsed and written again"),
        (Secret(SECRET.reveal().removeprefix("whsec_")).sign(BODY), "used without its prefix"),
        (Secret(SECRET.reveal() + "\n").sign(BODY), "white space behind it"),
        (keyed(b64decode(SECRET.reveal()[6:] + "=")), "decoded from base64"),
        (in_base64(SECRET.sign(BODY)), "right but in base64"),
        (Secret("whsec_other").sign(BODY), "another secret"),
        ("sha256=" + "é" * 64, "another secret"),
    ],
)
def test_a_wrong_signature_is_explained(signature: str, words: str) -> None:
    told = explain_mismatch(SECRET, signature, BODY)
    assert told is not None
    assert words in told
    assert SECRET.reveal() not in told


def test_a_body_that_is_not_json_is_explained_too() -> None:
    assert "another secret" in str(explain_mismatch(SECRET, SECRET.sign(BODY), b"\xff{"))


def test_a_line_break_that_was_saved_with_the_body_is_explained() -> None:
    told = explain_mismatch(SECRET, SECRET.sign(BODY), BODY + b"\r\n")
    assert "without its last line break" in str(told)


@pytest.mark.parametrize(
    "pasted", ["X-AuraPOS-Signature: {}", "x-aurapos-signature:{}\r\n", '"{}"', " {}\n"]
)
def test_the_whole_header_may_be_pasted(pasted: str) -> None:
    assert explain_mismatch(SECRET, pasted.format(SECRET.sign(BODY)), BODY) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (f" {SECRET.reveal()}\n", "white space or quotes around it"),
        (f'"{SECRET.reveal()}"', "white space or quotes around it"),
        (SECRET.reveal().removeprefix("whsec_"), 'given without its "whsec_"'),
    ],
)
def test_a_secret_that_was_copied_badly_is_named(given: str, words: str) -> None:
    assert words in str(explain_mismatch(Secret(given), SECRET.sign(BODY), BODY))


# 64 and 256 are JSON_UNESCAPED_SLASHES and JSON_UNESCAPED_UNICODE.
WRITERS = {
    "node": ("-e", "process.stdout.write(JSON.stringify(JSON.parse(fs.readFileSync(0))))"),
    "node pretty": (
        "-e",
        "process.stdout.write(JSON.stringify(JSON.parse(fs.readFileSync(0)), null, 2))",
    ),
    "php": ("-r", 'echo json_encode(json_decode(file_get_contents("php://stdin"), true));'),
    "php objects": ("-r", 'echo json_encode(json_decode(file_get_contents("php://stdin")));'),
    "php unescaped": (
        "-r",
        'echo json_encode(json_decode(file_get_contents("php://stdin"), true), 64 | 256);',
    ),
    "php pretty": (
        "-r",
        'echo json_encode(json_decode(file_get_contents("php://stdin")), JSON_PRETTY_PRINT);',
    ),
}
LIBRARIES = {"node": "Node's JSON.stringify", "php": "PHP's json_encode"}


@pytest.mark.parametrize(
    "writer",
    [
        pytest.param(
            name,
            marks=needs("node", "nodejs") if name.startswith("node") else needs("php", "php-cli"),
        )
        for name in WRITERS
    ],
)
def test_a_body_that_was_parsed_and_written_again_is_named_with_who_wrote_it(writer: str) -> None:
    tool = writer.split(maxsplit=1)[0]
    done = subprocess.run(
        [tool, *WRITERS[writer]], input=BODY, capture_output=True, check=True, env=os.environ
    )
    assert done.stdout != BODY
    told = str(explain_mismatch(SECRET, SECRET.sign(done.stdout), BODY))
    assert f"parsed and written again, as {LIBRARIES[tool]} does" in told


@pytest.mark.parametrize("style", [{}, {"ensure_ascii": False}, {"separators": (",", ":")}])
def test_python_s_are_named_too(style: dict[str, object]) -> None:
    written = json.dumps(json.loads(BODY), **style).encode()  # type: ignore[arg-type]  # a style
    assert "as Python's json.dumps" in str(explain_mismatch(SECRET, SECRET.sign(written), BODY))


@pytest.mark.parametrize(
    "payload", ['{"nom":"é","n":5}', '{"nom": "é", "n": [1, 2]}', '{"nom": "\\u00e9", "n": 1}']
)
def test_a_body_that_was_saved_after_it_was_parsed_is_told(payload: str) -> None:
    """The header is ours, over what was sent; the file is what Python made of it."""
    sent = body_with(payload)
    saved = json.dumps(json.loads(sent)).encode()
    told = str(explain_mismatch(SECRET, SECRET.sign(sent), saved))
    assert "verify the raw bytes as they came" in told


def test_a_body_of_deep_nesting_or_none_is_explained_too() -> None:
    for body in (b"[" * 100_000, b"", b"\xff"):
        assert "another secret" in str(explain_mismatch(SECRET, SECRET.sign(BODY), body))
