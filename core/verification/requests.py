"""What was sent is on record, has its bytes and its signature, and was accepted once."""

from collections import Counter
from collections.abc import Iterator, Sequence

from core.domain.delivery import ErrorKind
from core.domain.events import Purpose
from core.domain.language import Language
from core.domain.signing import (
    DELIVERY_HEADER,
    EVENT_HEADER,
    SECRET_PREFIX,
    SIGNATURE_HEADER,
    build_body,
    build_chat_body,
    wire_time,
)
from core.storage.database import connection
from core.storage.models import TABLES
from core.verification.evidence import NOT_ATTEMPTED, Evidence, was_accepted
from core.verification.history import History, Row, interrupted
from core.wording import wording

_NEVER_SENT = {ErrorKind.DNS, ErrorKind.BLOCKED, ErrorKind.TLS, *NOT_ATTEMPTED}


_TO_BE_REFUSED = {Purpose.TAMPERED, Purpose.WRONG_SECRET}


_UNANSWERED = {ErrorKind.CONNECT, ErrorKind.TIMEOUT, ErrorKind.PROTOCOL, ErrorKind.INTERNAL}


def repeated(evidence: Evidence) -> Iterator[str]:
    for delivery, posts, log in evidence.known():
        accepted = sum(post.accepted for post in posts)
        on_record = sum(map(was_accepted, log))
        if accepted > on_record + _excuses(delivery, log):
            yield (
                f"delivery {delivery.uuid} was accepted {accepted} times; the log has {on_record} "
                "of them, and too few crashes and lost answers for the rest"
            )
        if on_record > 1 + evidence.history.restarts(delivery):
            yield f"delivery {delivery.uuid} was sent again after it was accepted, for no reason"


def _excuses(delivery: Row, log: Sequence[Row]) -> int:
    """How many attempts may have an answer that never reached the log: crashes, lost answers, and
    one that is in flight now.
    """
    unanswered = sum(row.error in _UNANSWERED for row in log)
    return interrupted(log) + unanswered + (delivery.lease is not None)


def unlogged(evidence: Evidence) -> Iterator[str]:
    for delivery, posts, log in evidence.known():
        answered = Counter(post.status for post in posts if post.status is not None)
        logged = Counter(row.http_status for row in log if row.http_status is not None)
        sent = sum(row.error not in _NEVER_SENT for row in log) + (delivery.lease is not None)
        if answered.total() > sent:
            yield (
                f"delivery {delivery.uuid} was answered {answered.total()} times and at most "
                f"{sent} requests are on record"
            )
        for status, times in (logged - answered).items():
            yield (
                f"delivery {delivery.uuid}: the log has {times} × {status} that nobody answered: "
                f"{dict(logged)} where receivers gave {dict(answered)}"
            )


def changed(evidence: Evidence) -> Iterator[str]:
    for delivery, posts, _ in evidence.known():
        event = evidence.history.events[delivery.event]
        if not {post.body for post in posts} <= _bodies(delivery, event, evidence.history):
            yield f"delivery {delivery.uuid} was sent with other bytes than its event's"
        if any(post.headers.get(EVENT_HEADER) != event.type for post in posts):
            yield f"delivery {delivery.uuid} was sent as another event than {event.type}"


def _bodies(delivery: Row, event: Row, history: History) -> set[bytes]:
    """The bodies that it may be sent with; where it was redelivered, a chat line is made anew."""
    payload = bytes(event.payload)
    as_json = build_body(event.type, str(delivery.uuid), wire_time(event.created_at), payload)
    if history.by_owners(delivery) and history.has_chosen_format(delivery.webhook):
        spoken = map(wording, Language)
        return {as_json} | {build_chat_body(event.type, payload, each) for each in spoken}
    return {bytes(delivery.body or as_json)}


def unnamed(evidence: Evidence) -> Iterator[str]:
    for post in evidence.posts_of.get(None, []):
        yield f"{post.url} got a POST whose {DELIVERY_HEADER} is no id"


def unsigned(evidence: Evidence) -> Iterator[str]:
    for delivery, posts, _ in evidence.known():
        secrets = evidence.secrets.get(delivery.webhook, ())
        purpose = evidence.history.events[delivery.event].purpose
        for post in posts if secrets else ():
            given = post.headers.get(SIGNATURE_HEADER)
            is_signed = any(secret.sign(post.body) == given for secret in secrets)
            if is_signed and purpose in _TO_BE_REFUSED:
                yield f"delivery {delivery.uuid} is to be refused, and was signed rightly"
            if not is_signed and purpose not in _TO_BE_REFUSED:
                yield f"delivery {delivery.uuid} was signed with no secret of its webhook's"


def leaked(evidence: Evidence) -> Iterator[str]:
    secrets = [each for some in evidence.secrets.values() for each in some]
    if not secrets:
        return
    for name, content in _everywhere(evidence):
        for secret in secrets:
            if secret.reveal().removeprefix(SECRET_PREFIX).encode() in content:
                yield f"a secret is in {name}"


def _everywhere(evidence: Evidence) -> Iterator[tuple[str, bytes]]:
    yield from evidence.places.items()
    with connection():
        for table in TABLES:
            rows = list(table.select().tuples())
            name = table._meta.table_name  # noqa: SLF001 - peewee's public name for it
            yield f"the table {name}", repr(rows).encode()
    yield "what was sent", repr([(post.headers, post.body) for post in evidence.posts]).encode()
