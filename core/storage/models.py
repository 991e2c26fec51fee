"""The tables."""

from datetime import UTC, datetime, timedelta
from typing import Any

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    CompositeKey,
    Expression,
    ForeignKeyField,
    IntegerField,
    Model,
    SmallIntegerField,
    TextField,
    UUIDField,
)

from core.domain.delivery import SUCCESS
from core.domain.editions import INCLUDED_EDITIONS
from core.domain.events import CHECKS, EventType
from core.storage.database import is_postgres, proxy

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class TimeField(BigIntegerField):
    """A moment: UTC microseconds since 1970 in the database, an aware datetime in Python."""

    def db_value(self, value: datetime | None) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs its time zone")
        return (value - EPOCH) // MICROSECOND

    def python_value(self, value: int | None) -> datetime | None:
        return None if value is None else EPOCH + value * MICROSECOND


class Table(Model):
    class Meta:
        database = proxy
        legacy_table_names = False


class Business(Table):
    name = TextField()
    edition = TextField()  # an access.Edition
    option = BooleanField()  # the paid option, for the editions that do not include webhooks
    created_at = TimeField()


class Member(Table):
    business = ForeignKeyField(Business, backref="members")
    login = TextField()
    role = TextField()  # an access.Role
    created_at = TimeField()

    class Meta:
        indexes = ((("login", "business"), True),)


class MemberKey(Table):
    """An SSH key that opens the terminal UI as `login`, in whatever businesses it belongs to."""

    login = TextField(index=True)
    public_key = TextField()  # type and base64, without a comment
    fingerprint = TextField(unique=True)  # SHA256:…, as ssh-keygen -l prints it
    may_export = BooleanField(default=False)  # and asks what it may over SSH, without a terminal
    created_at = TimeField()


class Webhook(Table):
    business = ForeignKeyField(Business, backref="webhooks")
    url = TextField()
    secret = BlobField(null=True)  # sealed by the vault; null once deleted
    created_at = TimeField()
    updated_at = TimeField()
    deleted_at = TimeField(null=True)
    down_since = TimeField(null=True)  # its latest outage, as `outage.Outage` has it
    up_since = TimeField(null=True)
    is_recovering = BooleanField(default=False)  # what was abandoned in it is to be queued again
    recovered_to = TimeField(null=True)  # up to when what is queued again is due already
    after_event = BigIntegerField(default=0)  # events up to this id are older than the webhook
    ready_at = TimeField(null=True)  # nothing of it may be sent before: see `ready`
    paused_at = TimeField(null=True)  # since when only what its owner sends on purpose is sent
    held_until = TimeField(null=True)  # its receiver asked for nothing until then; see `restraint`
    not_before = TimeField(null=True)  # nothing of it is looked at before, whatever is due
    lost_since = TimeField(null=True)  # something was abandoned, and nothing accepted since
    certificate_until = TimeField(null=True)  # its server's, where it ended soon when it was seen
    look_at = TimeField(null=True)  # when to see whether its owner is to be told of something
    name = TextField(default="")  # this and what follows is chosen, as `choices.Choices` has it
    format = TextField(default="json")
    language = TextField(default="en")
    standard_webhooks = BooleanField(default=False)
    only = TextField(null=True)
    headers = TextField(null=True)
    pace = TextField(null=True)
    paced_to = TimeField(null=True)  # its starts up to then are taken
    alerts = BooleanField(default=False)


Webhook.add_index(
    Webhook.index(Webhook.id, name="webhook_recovering", where=SQL("is_recovering = TRUE")),
)
Webhook.add_index(
    Webhook.index(Webhook.ready_at, name="webhook_ready", where=SQL("ready_at IS NOT NULL")),
)
Webhook.add_index(
    Webhook.index(Webhook.look_at, name="webhook_look", where=SQL("look_at IS NOT NULL")),
)


class Alert(Table):
    """The latest message of a kind about a webhook, which others were sent."""

    webhook = ForeignKeyField(Webhook, index=False, on_delete="CASCADE")
    kind = TextField()  # an alerts.Kind
    told_at = TimeField()
    since = TimeField()  # since when what it told was so

    class Meta:
        primary_key = CompositeKey("webhook", "kind")


class MailAddress(Table):
    """Where a member, or the operator, wants to be told of a business's webhooks by mail."""

    business = ForeignKeyField(Business, index=False)
    login = TextField()  # the operator's is empty
    address = TextField()
    language = TextField()  # a language.Language
    asked_at = TimeField()  # when its latest code was
    nonce = BlobField(null=True)  # what that code was made of; null once it was confirmed
    tries = SmallIntegerField(default=0)  # of that code
    confirmed_at = TimeField(null=True)

    class Meta:
        primary_key = CompositeKey("business", "login", "address")


class Mail(Table):
    """One message to such an address, until it was handed in or given up."""

    id = BigAutoField()
    business = ForeignKeyField(Business, index=False)
    login = TextField()
    address = TextField()
    kind = TextField()  # an alerts.Kind, or mail.CODE
    subject = TextField(default="")  # a code's is written when it is sent, and so is its text
    text = TextField(default="")
    created_at = TimeField()
    until = TimeField()  # of no use after
    due_at = TimeField(null=True)  # of its next attempt: while leased, the lease's end
    lease = BigIntegerField(null=True)
    attempts = SmallIntegerField(default=0)  # that failed
    interruptions = SmallIntegerField(default=0)
    sent_at = TimeField(null=True)
    error = TextField(default="")  # how the latest attempt failed, or why it was given up


Mail.add_index(Mail.index(Mail.due_at, name="mail_due", where=SQL("due_at IS NOT NULL")))
Mail.add_index(Mail.index(Mail.created_at, name="mail_code", where=SQL("kind = 'code'")))
Mail.add_index(Mail.index(Mail.created_at, name="mail_failed", where=SQL("error <> ''")))


class SelectedEvent(Table):
    """An event type that a webhook asked for."""

    webhook = ForeignKeyField(Webhook, backref="selected", on_delete="CASCADE")
    event_type = TextField()

    class Meta:
        primary_key = CompositeKey("webhook", "event_type")


class Event(Table):
    """Something that happened; the rows not yet fanned out are the outbox."""

    id = BigAutoField()
    business = ForeignKeyField(Business, index=False)
    type = TextField()  # an events.EventType
    payload = BlobField()  # the producer's JSON, byte for byte
    digest = BigIntegerField(null=True)  # of a payload that was checked, as payload.digest has it
    subject = TextField(null=True)  # what a person calls it, "" for none; null until it is cut
    key = TextField(null=True)  # the producer's own, to recognise a second push
    webhook = ForeignKeyField(Webhook, null=True, on_delete="CASCADE")  # of a test or sample
    purpose = TextField(null=True)  # an events.Purpose, of what says nothing of a webhook's health
    created_at = TimeField()
    fanned_out_at = TimeField(null=True)
    fanned_out_to = BigIntegerField(default=0)  # the last webhook that has its delivery already
    refused = TextField(null=True)  # why it was set aside instead of fanned out

    class Meta:
        indexes = ((("business", "key"), True), (("business", "id"), False))


Event.add_index(Event.index(Event.business, Event.subject, Event.id, name="event_subject"))
Event.add_index(Event.index(Event.webhook, name="event_purposes", where=SQL("purpose IS NOT NULL")))
Event.add_index(Event.index(Event.id, name="event_uncut", where=SQL("subject IS NULL")))
Event.add_index(
    Event.index(Event.business, Event.id, name="event_outbox", where=SQL("fanned_out_at IS NULL")),
)
Event.add_index(
    Event.index(Event.id, name="event_refused", where=SQL("refused IS NOT NULL")),
)


class Delivery(Table):
    """One event for one webhook, until it is settled."""

    id = BigAutoField()
    uuid = UUIDField(unique=True)
    event = ForeignKeyField(Event, index=False)
    webhook = ForeignKeyField(Webhook, index=False)
    status = TextField()  # a delivery.Status
    attempts = SmallIntegerField(default=0)  # that count, in this round
    interruptions = SmallIntegerField(default=0)  # in this round
    due_at = TimeField(null=True)  # when the next attempt may start: while leased, the lease's end
    resume_at = TimeField(null=True)  # when its schedule goes on, after an attempt beside it
    lease = BigIntegerField(null=True)  # the claim that may settle it
    leased_at = TimeField(null=True)
    created_at = TimeField()
    settled_at = TimeField(null=True)  # when it was delivered or abandoned
    recovery = TextField(null=True)  # a delivery.Recovery, of this round
    body = BlobField(null=True)  # what is sent, where that is no JSON: made when this row was

    class Meta:
        indexes = ((("event", "webhook"), True), (("webhook", "id"), False))


# The predicate is a literal: bound, PostgreSQL's generic plan would not use the index.
Delivery.add_index(
    Delivery.index(
        Delivery.webhook,
        Delivery.status,
        Delivery.due_at,
        Delivery.id,
        name="delivery_due",
        where=SQL("due_at IS NOT NULL"),
    ),
)
Delivery.add_index(
    Delivery.index(
        Delivery.webhook,
        Delivery.settled_at,
        name="delivery_abandoned",
        where=SQL("status = 'abandoned'"),
    ),
)
Delivery.add_index(
    Delivery.index(
        Delivery.webhook,
        Delivery.settled_at,
        Delivery.id,
        name="delivery_recovery",
        where=SQL("recovery = 'due'"),
    ),
)


class Attempt(Table):
    """One HTTP request of a delivery, and how it ended."""

    id = BigAutoField()
    delivery = ForeignKeyField(Delivery, backref="attempt_log", on_delete="CASCADE")
    number = SmallIntegerField()  # counted from 1 in each round; an interrupted one has it too, one
    # beside the schedule is 0
    recovery = BooleanField(default=False)  # made because the address came back from an outage
    abandoned = BooleanField(default=False)  # its delivery was, after this one
    started_at = TimeField()
    duration_us = IntegerField()
    http_status = SmallIntegerField(null=True)
    error = TextField(null=True)  # a delivery.ErrorKind
    detail = TextField(default="")
    response = TextField(default="")


class KeptBack(Table):
    """How many events a webhook's conditions kept back in the hour that began then."""

    webhook = ForeignKeyField(Webhook, index=False, on_delete="CASCADE")
    hour = TimeField()
    events = IntegerField()

    class Meta:
        primary_key = CompositeKey("webhook", "hour")


class AuditEntry(Table):
    """Who did what; it outlives what it speaks of, so it points at nothing."""

    id = BigAutoField()
    at = TimeField()
    business_id = IntegerField(index=True)
    actor = TextField()
    origin = TextField()
    action = TextField()
    webhook_id = IntegerField(null=True)
    subject = TextField()
    detail = TextField(default="")  # what was changed


class Setting(Table):
    """What a login chose for its terminal UI; the operator's login is empty."""

    login = TextField()
    name = TextField()
    value = TextField()

    class Meta:
        primary_key = CompositeKey("login", "name")


class LastRun(Table):
    """When a job last ran: the daily ones ask it, and `doctor` looks at the ticks."""

    job = TextField(primary_key=True)
    at = TimeField()
    settings = TextField(default="")  # of a consumer, as core.pipeline.heartbeat writes them
    event_id = BigIntegerField(default=0)  # of an export: up to which event it went


class Tally(Table):
    """How often something happened, all workers together; it never falls."""

    name = TextField()
    label = TextField()
    value = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("name", "label")


class TallyProgress(Table):
    """One row: up to which attempt is in the tallies."""

    id = BigIntegerField(primary_key=True)
    version = BigIntegerField()  # another after each change, so that nobody counts twice
    counted_to = BigIntegerField()  # an attempt's id
    seen_to = BigIntegerField()  # the last one there was at seen_at
    seen_at = TimeField()


TABLES: tuple[type[Table], ...] = (
    Business,
    Member,
    MemberKey,
    Webhook,
    Alert,
    MailAddress,
    Mail,
    SelectedEvent,
    Event,
    Delivery,
    Attempt,
    KeptBack,
    AuditEntry,
    Setting,
    LastRun,
    Tally,
    TallyProgress,
)


ENTITLED = "(business.option = TRUE OR business.edition IN ({}))".format(
    ", ".join(f"'{edition}'" for edition in INCLUDED_EDITIONS)
)
"""The same as `entitled`, in SQL that joins `business`."""


def accepted(attempt: Any) -> Expression:
    """The attempts, `Attempt` or an alias of it, that a receiver answered with success."""
    return attempt.http_status.between(SUCCESS.start, SUCCESS.stop - 1)


def was_admitted() -> Expression:
    """True for events of which it is known that they are such. What another program wrote is not
    before fan-out has looked at it, nor once it was set aside: its columns may hold anything then.
    """
    fanned_out = ~Event.fanned_out_at.is_null() & Event.refused.is_null()
    return Event.type.in_(list(EventType)) & (~Event.digest.is_null() | fanned_out)


def counts_for_health(*whose: Any) -> Expression:
    """The deliveries of what happened, and of tests; not of what is made on purpose, as samples
    are. `whose` narrows down which events those may be.
    """
    on_purpose = Event.purpose.is_null(is_null=False)
    return Delivery.event.not_in(Event.select(Event.id).where(on_purpose, *whose))


def of_no_check(attempt: Any) -> Expression:
    """The attempts, `Attempt` or an alias of it, but for those of checks, which are mostly to be
    refused.
    """
    pings = Delivery.select(Delivery.id).join(Event).where(Event.purpose.in_(sorted(CHECKS)))
    return attempt.delivery.not_in(pings)


def entitled() -> Expression:
    """True for the businesses whose edition or option includes webhooks."""
    return Business.edition.in_(INCLUDED_EDITIONS) | (Business.option == SQL("TRUE"))


def row_lock(query: Any, **how: Any) -> Any:
    """The query with its rows locked, where the engine locks rows; SQLite locks the database.

    Against whoever changes or locks them, not against who inserts what refers to them: PostgreSQL's
    strongest lock would have settling and fanning out wait for each other.
    """
    return query.for_update("FOR NO KEY UPDATE", **how) if is_postgres() else query
