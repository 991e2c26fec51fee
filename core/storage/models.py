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
    """An SSH key that opens the terminal UI as `login`, in all the businesses it belongs to."""

    login = TextField(index=True)
    public_key = TextField()  # type and base64, without a comment
    fingerprint = TextField(unique=True)  # SHA256:…, as ssh-keygen -l prints it
    may_export = BooleanField(default=False)  # over SSH, without a terminal
    created_at = TimeField()


class Webhook(Table):
    business = ForeignKeyField(Business, backref="webhooks")
    url = TextField()
    secret = BlobField(null=True)  # sealed by the vault; null once deleted
    created_at = TimeField()
    updated_at = TimeField()
    deleted_at = TimeField(null=True)
    down_since = TimeField(null=True)  # its latest outage, as `outage.Outage` describes it
    up_since = TimeField(null=True)
    is_recovering = BooleanField(default=False)  # what was abandoned is to be queued again
    recovered_to = TimeField(null=True)  # what is queued again is spread up to this time
    after_event = BigIntegerField(default=0)  # events up to this id are older than the webhook
    ready_at = TimeField(null=True)  # nothing of it may be sent before: see `ready`
    paused_at = TimeField(null=True)  # since when only what its owner sends on purpose is sent
    held_until = TimeField(null=True)  # its receiver asked for nothing until then: `restraint`
    not_before = TimeField(null=True)  # nothing of it is looked at before this, whatever is due
    lost_since = TimeField(null=True)  # something was abandoned, and nothing accepted since
    certificate_until = TimeField(null=True)  # its server's, if it ended soon when it was last seen
    look_at = TimeField(null=True)  # when to see whether its owner must be told something
    name = TextField(default="")  # chosen, like all that follows: see `choices.Choices`
    format = TextField(default="json")
    language = TextField(default="en")
    standard_webhooks = BooleanField(default=False)
    only = TextField(null=True)
    headers = TextField(null=True)
    pace = TextField(null=True)
    paced_to = TimeField(null=True)  # the starts up to this time are taken
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
    """The latest message of one kind about a webhook."""

    webhook = ForeignKeyField(Webhook, index=False, on_delete="CASCADE")
    kind = TextField()  # an alerts.Kind
    told_at = TimeField()
    since = TimeField()  # since when what it said had been so

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
    """An event type that a webhook has selected."""

    webhook = ForeignKeyField(Webhook, backref="selected", on_delete="CASCADE")
    event_type = TextField()

    class Meta:
        primary_key = CompositeKey("webhook", "event_type")


class Event(Table):
    """Something that happened. The rows that are not fanned out yet are the outbox."""

    id = BigAutoField()
    business = ForeignKeyField(Business, index=False)
    type = TextField()  # an events.EventType
    payload = BlobField()  # the producer's JSON, byte for byte
    digest = BigIntegerField(null=True)  # of a payload that was checked: see payload.digest
    subject = TextField(null=True)  # what a person calls it, or "" if nothing; null until it is cut
    key = TextField(null=True)  # the producer's own key, which shows a second push
    webhook = ForeignKeyField(Webhook, null=True, on_delete="CASCADE")  # of a test or sample
    purpose = TextField(null=True)  # an events.Purpose, where it says nothing of health
    created_at = TimeField()
    fanned_out_at = TimeField(null=True)
    fanned_out_to = BigIntegerField(default=0)  # the last webhook that has its delivery of it
    refused = TextField(null=True)  # why it was set aside and not fanned out

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
    attempts = SmallIntegerField(default=0)  # those that count, in this round
    interruptions = SmallIntegerField(default=0)  # in this round
    due_at = TimeField(null=True)  # of the next attempt; while leased, the lease's end
    resume_at = TimeField(null=True)  # when the schedule goes on, after an attempt beside it
    lease = BigIntegerField(null=True)  # the claim that may settle it
    leased_at = TimeField(null=True)
    created_at = TimeField()
    settled_at = TimeField(null=True)  # when it was delivered or abandoned
    recovery = TextField(null=True)  # a delivery.Recovery, in this round
    body = BlobField(null=True)  # what is sent, where it is not JSON

    class Meta:
        indexes = ((("event", "webhook"), True), (("webhook", "id"), False))


# The predicate is a literal: with a bound value PostgreSQL's generic plan does not use the index.
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
        Delivery.id,
        name="delivery_given_up",
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
    number = SmallIntegerField()  # from 1 in each round; 0 beside the schedule
    recovery = BooleanField(default=False)  # made since the address is back after an outage
    abandoned = BooleanField(default=False)  # whether its delivery was abandoned after this attempt
    started_at = TimeField()
    duration_us = IntegerField()
    http_status = SmallIntegerField(null=True)
    error = TextField(null=True)  # a delivery.ErrorKind
    detail = TextField(default="")
    response = TextField(default="")


class KeptBack(Table):
    """How many events the conditions of a webhook kept back in the hour that began then."""

    webhook = ForeignKeyField(Webhook, index=False, on_delete="CASCADE")
    hour = TimeField()
    events = IntegerField()

    class Meta:
        primary_key = CompositeKey("webhook", "hour")


class AuditEntry(Table):
    """Who did what. It outlives what it is about, so it refers to no other row."""

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
    """What a login has chosen for its terminal UI; the operator's login is empty."""

    login = TextField()
    name = TextField()
    value = TextField()

    class Meta:
        primary_key = CompositeKey("login", "name")


class LastRun(Table):
    """When a job last ran. Daily jobs ask this, and `doctor` looks at the ticks."""

    job = TextField(primary_key=True)
    at = TimeField()
    settings = TextField(default="")  # a consumer's, as core.pipeline.heartbeat writes them
    event_id = BigIntegerField(default=0)  # how far an export went


class Tally(Table):
    """How often something happened, over all workers; it never falls."""

    name = TextField()
    label = TextField()
    value = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("name", "label")


class TallyProgress(Table):
    """One row, which says up to which attempt the tallies have counted."""

    id = BigIntegerField(primary_key=True)
    version = BigIntegerField()  # raised by each change, so that nothing is counted twice
    counted_to = BigIntegerField()  # an attempt's id
    seen_to = BigIntegerField()  # the last attempt there was at seen_at
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
    """The attempts (`Attempt`, or an alias of it) that a receiver answered with success."""
    return attempt.http_status.between(SUCCESS.start, SUCCESS.stop - 1)


def was_admitted() -> Expression:
    """The events that we know to be proper ones. What another program wrote is not, before fan-out
    has looked at it, nor once it was set aside: its columns may hold anything.
    """
    fanned_out = ~Event.fanned_out_at.is_null() & Event.refused.is_null()
    return Event.type.in_(list(EventType)) & (~Event.digest.is_null() | fanned_out)


def counts_for_health(*whose: Any) -> Expression:
    """The deliveries of events that happened, and of tests, but not of samples and checks. `whose`
    narrows down which events those can be.
    """
    on_purpose = Event.purpose.is_null(is_null=False)
    return Delivery.event.not_in(Event.select(Event.id).where(on_purpose, *whose))


def of_no_check(attempt: Any) -> Expression:
    """The attempts (`Attempt`, or an alias of it) that are not a check's: most of those should be
    refused.
    """
    pings = Delivery.select(Delivery.id).join(Event).where(Event.purpose.in_(sorted(CHECKS)))
    return attempt.delivery.not_in(pings)


def entitled() -> Expression:
    """The businesses whose edition or option includes webhooks."""
    return Business.edition.in_(INCLUDED_EDITIONS) | (Business.option == SQL("TRUE"))


def row_lock(query: Any, **how: Any) -> Any:
    """The query with its rows locked, where the engine locks rows; SQLite locks the database.

    The lock is against those who change or lock the rows, but not against those who insert rows
    that refer to them: under PostgreSQL's strongest lock, settling and fanning out would wait for
    each other.
    """
    return query.for_update("FOR NO KEY UPDATE", **how) if is_postgres() else query
