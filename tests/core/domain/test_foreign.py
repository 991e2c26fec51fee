"""What another program wrote into the outbox: mended as `publish` would have, or refused."""

import pytest

from core.domain.foreign import MOST_READ, Admitted, ForeignRow, admit
from core.domain.payload import DEPTH_LIMIT, PAYLOAD_LIMIT
from core.errors import BadPayload

NOW = 1_779_000_000_000_000


def row(**columns: object) -> ForeignRow:
    usual = ForeignRow(1, "ticket.created", b'{"numero": 12}', None, None, NOW - 5)
    return usual._replace(**columns)  # type: ignore[arg-type]


def test_what_is_right_is_admitted_with_its_subject() -> None:
    assert admit(row(), NOW) == Admitted(b'{"numero": 12}', "12", NOW - 5)


def test_what_is_left_to_us_is_filled_in() -> None:
    assert admit(row(created_us=0), NOW).created_us == NOW


def test_white_space_around_it_goes_and_text_becomes_bytes() -> None:
    assert admit(row(payload=' {"nom": "Zoé"}\n'), NOW).payload == '{"nom": "Zoé"}'.encode()


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"type": "ticket.deleted"}, "type is none of ticket.created"),
        ({"type": "ping"}, "type is none of"),
        ({"type": "ticket.created\r\nX-Evil: 1"}, "type is none of"),
        ({"type": b"ticket.created"}, "type is none of"),
        ({"type": None}, "type is none of"),
        ({"webhook_id": 7}, "webhook_id is set"),
        ({"key": ""}, "printable"),
        ({"key": "a\nb"}, "printable"),
        ({"key": 7}, "printable"),
        ({"payload": b"{"}, "not JSON"),
        ({"payload": b""}, "not JSON"),
        ({"payload": b"\xff"}, "not UTF-8"),
        ({"payload": "\udcff"}, "not JSON"),
        ({"payload": b"NaN"}, "not JSON"),
        ({"payload": 12}, "payload is not JSON"),
        ({"payload": None}, "payload is not JSON"),
        ({"payload": b"[" * (DEPTH_LIMIT + 1) + b"]" * (DEPTH_LIMIT + 1)}, "nested too deeply"),
        ({"payload": b'"' + b"x" * PAYLOAD_LIMIT + b'"'}, "are allowed"),
        ({"created_us": NOW // 1000}, "created_at is neither"),
        ({"created_us": -1}, "created_at is neither"),
        ({"created_us": 2**62}, "created_at is neither"),
        ({"created_us": "2026-05-17"}, "created_at is neither"),
        ({"created_us": 1.5e15}, "created_at is neither"),
    ],
    ids=str,
)
def test_what_cannot_be_sent_is_refused(columns: dict[str, object], words: str) -> None:
    with pytest.raises(BadPayload, match=words) as refused:
        admit(row(**columns), NOW)
    assert "Evil" not in str(refused.value), "it quotes nothing"


def test_more_is_read_than_a_payload_may_have() -> None:
    assert MOST_READ > PAYLOAD_LIMIT
