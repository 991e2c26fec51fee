"""The first schema. The tables here are frozen: later changes are later migrations."""

from typing import Any

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    CompositeKey,
    Database,
    ForeignKeyField,
    IntegerField,
    Model,
    SmallIntegerField,
    TextField,
    UUIDField,
)


def up(migrator: Any, db: Database) -> None:  # noqa: ARG001 - the runner's signature
    class Table(Model):
        class Meta:
            database = db
            legacy_table_names = False

    class Business(Table):
        name = TextField()
        edition = TextField()
        option = BooleanField()
        created_at = BigIntegerField()

    class Member(Table):
        business = ForeignKeyField(Business)
        login = TextField()
        role = TextField()
        created_at = BigIntegerField()

        class Meta:
            indexes = ((("login", "business"), True),)

    class MemberKey(Table):
        login = TextField(index=True)
        public_key = TextField()
        fingerprint = TextField(unique=True)
        created_at = BigIntegerField()

    class Webhook(Table):
        business = ForeignKeyField(Business)
        url = TextField()
        secret = BlobField(null=True)
        created_at = BigIntegerField()
        updated_at = BigIntegerField()
        deleted_at = BigIntegerField(null=True)

    class SelectedEvent(Table):
        webhook = ForeignKeyField(Webhook, on_delete="CASCADE")
        event_type = TextField()

        class Meta:
            primary_key = CompositeKey("webhook", "event_type")

    class Event(Table):
        id = BigAutoField()
        business = ForeignKeyField(Business, index=False)
        type = TextField()
        payload = BlobField()
        key = TextField(null=True)
        webhook = ForeignKeyField(Webhook, null=True, on_delete="CASCADE")
        created_at = BigIntegerField()
        fanned_out_at = BigIntegerField(null=True)

        class Meta:
            indexes = ((("business", "key"), True),)

    Event.add_index(
        Event.index(Event.id, name="event_outbox", where=SQL("fanned_out_at IS NULL")),
    )

    class Delivery(Table):
        id = BigAutoField()
        uuid = UUIDField(unique=True)
        event = ForeignKeyField(Event, index=False)
        webhook = ForeignKeyField(Webhook, index=False)
        status = TextField()
        attempts = SmallIntegerField()
        interruptions = SmallIntegerField()
        due_at = BigIntegerField(null=True)
        lease = BigIntegerField(null=True)
        leased_at = BigIntegerField(null=True)
        created_at = BigIntegerField()
        settled_at = BigIntegerField(null=True)

        class Meta:
            indexes = ((("event", "webhook"), True), (("webhook", "id"), False))

    Delivery.add_index(
        Delivery.index(
            Delivery.webhook, Delivery.due_at, name="delivery_due", where=SQL("due_at IS NOT NULL")
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

    class Attempt(Table):
        id = BigAutoField()
        delivery = ForeignKeyField(Delivery, on_delete="CASCADE")
        number = SmallIntegerField()
        started_at = BigIntegerField()
        duration_us = IntegerField()
        http_status = SmallIntegerField(null=True)
        error = TextField(null=True)
        detail = TextField()
        response = TextField()

    class AuditEntry(Table):
        id = BigAutoField()
        at = BigIntegerField()
        business_id = IntegerField(index=True)
        actor = TextField()
        origin = TextField()
        action = TextField()
        webhook_id = IntegerField(null=True)
        subject = TextField()

    class LastRun(Table):
        job = TextField(primary_key=True)
        at = BigIntegerField()

    db.create_tables(
        [
            Business,
            Member,
            MemberKey,
            Webhook,
            SelectedEvent,
            Event,
            Delivery,
            Attempt,
            AuditEntry,
            LastRun,
        ]
    )
