"""What an owner can do, each thing in one transaction. The screens write through nothing else.

Each of these reads the role, the edition and the option again, and remembers nothing of a login.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from core.domain.actors import Actor
from core.domain.catalogue import CATALOGUE
from core.domain.checking import GENUINE_PAYLOAD
from core.domain.choices import (
    AS_IT_COMES,
    NOTHING,
    Choices,
    Chosen,
    changes,
    choose,
    for_a_new_one,
)
from core.domain.delivery import Status
from core.domain.editions import WEBHOOKS_LIMIT
from core.domain.events import SELECTABLE, EventType, Purpose
from core.domain.language import N_
from core.domain.signing import Secret
from core.domain.url_policy import UrlPolicy
from core.errors import BadInput, BadKeyFile, Changed
from core.intake import Wake, last_event, queue_for, selectable_type
from core.pipeline.redelivery import start_again
from core.storage.choosing import choices_of, columns_of, seal_headers
from core.storage.database import after_commit, connection, one_of, transaction
from core.storage.holds import free_starts
from core.storage.literals import has_status
from core.storage.models import Delivery, Event, SelectedEvent, Webhook, counts_for_health
from core.storage.ready import reckon, shut_out
from core.storage.vault import Vault
from core.use_cases.access import (
    authorize,
    find_delivery,
    find_webhook,
    require_included,
    usable_webhook,
)
from core.use_cases.audit import CREATED, SECRET_REGENERATED, note
from core.use_cases.deliveries import Redelivered, last_attempt_ids


@dataclass(frozen=True, slots=True)
class NewWebhook:
    id: int
    url: str
    events: tuple[EventType, ...]
    secret: Secret  # which is shown only this once
    created_at: datetime
    choices: Choices


def create_webhook(
    actor: Actor,
    business_id: int,
    url: str,
    events: Iterable[str],
    now: datetime,
    *,
    policy: UrlPolicy,
    vault: Vault,
    at_most: int = WEBHOOKS_LIMIT,
    chosen: Chosen = NOTHING,
) -> NewWebhook:
    """Register a URL for some events; returns the secret, which is shown only this once.

    Raises BlockedUrl; BadInput for these events or choices, or where the business has `at_most`
    webhooks already; NotAllowed, NotIncluded and NotFound.
    """
    chosen = for_a_new_one(chosen)
    choices = choose(AS_IT_COMES, chosen)
    with connection():
        require_included(authorize(actor, business_id))
        target, selected = policy.check_url(url).url, _selection(events)
        secret = Secret.draw(secrets.token_bytes)
        with transaction():
            after = last_event(business_id)
            require_included(authorize(actor, business_id))
            _require_room(business_id, at_most)
            webhook = Webhook.create(
                business=business_id,
                url=target,
                created_at=now,
                updated_at=now,
                after_event=after,
                **columns_of(choices, chosen),
            )
            webhook.secret = vault.seal(secret, business_id, webhook.id)
            webhook.headers = _sealed(chosen, webhook, lambda: vault)
            webhook.save(only=[Webhook.secret, Webhook.headers])
            _select(webhook.id, selected)
            note(
                *(actor, business_id, CREATED, now),
                webhook_id=webhook.id,
                subject=target,
                detail=changes(AS_IT_COMES, choices),
            )
    return NewWebhook(webhook.id, target, selected, secret, now, choices)


def _require_room(business_id: int, at_most: int) -> None:
    standing = (Webhook.business == business_id) & Webhook.deleted_at.is_null()
    if Webhook.select().where(standing).count() >= at_most:
        raise BadInput(
            N_(
                "This business has {limit} webhooks, and more are not allowed: delete one, or "
                "ask whoever runs AuraPOS Webhooks to raise [limits] webhooks."
            ),
            limit=at_most,
        )


def no_vault() -> Vault:
    raise BadKeyFile(N_("The key file is not open here, and this needs it."))


def edit_webhook(
    actor: Actor,
    webhook_id: int,
    now: datetime,
    *,
    url: str | None = None,
    events: Iterable[str] | None = None,
    policy: UrlPolicy,
    seen: datetime | None = None,
    chosen: Chosen = NOTHING,
    open_vault: Callable[[], Vault] = no_vault,
) -> None:
    """Change what is given of a webhook. Waiting deliveries go to the new URL. The vault is opened
    only where the choices have to do with secrets.

    Raises Changed where the webhook is no longer as it was `seen`, by its `updated_at`, and
    BadInput for what cannot be chosen.
    """
    target = policy.check_url(url).url if url is not None else None
    selected = _selection(events) if events is not None else None
    with transaction():
        webhook = usable_webhook(actor, webhook_id)
        if "pace" in chosen:
            shut_out([webhook_id])
        before = choices_of(webhook)
        after = choose(before, chosen)
        if after.standard_webhooks and not before.standard_webhooks:
            _require_standard_secret(webhook, open_vault())
        values: dict[str, object] = {"updated_at": now} | (
            {} if target is None else {"url": target}
        )
        values |= columns_of(after, chosen)
        if "headers" in chosen:
            values["headers"] = _sealed(chosen, webhook, open_vault)
        # First of all, so that of two edits at once the second waits, and sees the events of the
        # first.
        update = Webhook.update(values).where(_standing(webhook_id))
        if seen is not None:
            update = update.where(Webhook.updated_at == seen)
        if not update.execute():
            raise Changed(N_("Somebody else has changed this webhook meanwhile."))
        if before.pace != after.pace:
            free_starts(Webhook.id == webhook_id)  # that were taken at another pace
            reckon([webhook_id])
        if selected is not None:
            SelectedEvent.delete().where(SelectedEvent.webhook == webhook_id).execute()
            _select(webhook_id, selected)
        _note(actor, webhook, "edited", now, subject=target, detail=changes(before, after, chosen))


def _sealed(chosen: Chosen, webhook: Webhook, open_vault: Callable[[], Vault]) -> str | None:
    """What the row is to store for the webhook's own headers."""
    headers, before = chosen.get("headers", ()), webhook.headers
    if not headers:
        return None
    return seal_headers(open_vault(), headers, before, webhook.business_id, webhook.id)


def _require_standard_secret(webhook: Webhook, vault: Vault) -> None:
    secret = vault.open(bytes(webhook.secret), webhook.business_id, webhook.id)
    if not secret.is_standard:
        raise BadInput(
            N_(
                "This webhook's secret is of an older kind that no Standard Webhooks library "
                "can read: regenerate it first, then choose this again."
            )
        )


def regenerate_secret(actor: Actor, webhook_id: int, now: datetime, *, vault: Vault) -> Secret:
    """Draw a new secret, shown only this once. After the commit the old one signs nothing."""
    secret = Secret.draw(secrets.token_bytes)
    with transaction():
        webhook = usable_webhook(actor, webhook_id)
        sealed = vault.seal(secret, webhook.business_id, webhook_id)
        Webhook.update(secret=sealed, updated_at=now).where(_standing(webhook_id)).execute()
        _note(actor, webhook, SECRET_REGENERATED, now)
    return secret


def delete_webhook(actor: Actor, webhook_id: int, now: datetime) -> None:
    """Delete a webhook for good: once this commits, no new POST to it starts.

    This is allowed without the option too. The rows are pruned later, in small batches.
    """
    with transaction():
        webhook = find_webhook(actor, webhook_id)
        Webhook.update(
            deleted_at=now, secret=None, headers=None, ready_at=None, look_at=None
        ).where(_standing(webhook_id)).execute()
        _note(actor, webhook, "deleted", now)


def pause_webhook(actor: Actor, webhook_id: int, now: datetime) -> bool:
    """Send this webhook only what its owner sends on purpose: once this commits, no other POST to
    it starts. What happens meanwhile is parked. Returns False where it was paused already.
    """
    return _pause_or_resume(actor, webhook_id, now, paused_at=now)


def resume_webhook(actor: Actor, webhook_id: int, now: datetime, *, wake: Wake) -> bool:
    """Send what was parked, the longest due first. Returns False where it was not paused."""
    with transaction():
        is_resumed = _pause_or_resume(actor, webhook_id, now, paused_at=None)
        if is_resumed:
            after_commit(wake)
    return is_resumed


def _pause_or_resume(
    actor: Actor, webhook_id: int, now: datetime, *, paused_at: datetime | None
) -> bool:
    """Due times stay as they are; only whether the webhook is looked at changes."""
    with transaction():
        webhook = usable_webhook(actor, webhook_id)
        shut_out([webhook_id])
        is_other = Webhook.paused_at.is_null(is_null=paused_at is not None)
        update = Webhook.update(paused_at=paused_at, look_at=now).where(
            _standing(webhook_id) & is_other
        )
        is_changed = bool(update.execute())
        if is_changed:
            reckon([webhook_id])
            _note(actor, webhook, "paused" if paused_at is not None else "resumed", now)
    return is_changed


def send_test(actor: Actor, webhook_id: int, now: datetime, *, wake: Wake) -> int:
    """Queue a `ping` for this webhook, whatever it selected; returns the id of the event."""
    with transaction():
        webhook = usable_webhook(actor, webhook_id)
        event_id = queue_for(webhook, EventType.PING, GENUINE_PAYLOAD, now)
        _note(actor, webhook, "tested", now)
        after_commit(wake)
    return event_id


def send_sample(
    actor: Actor, webhook_id: int, event_type: str, now: datetime, *, wake: Wake
) -> int:
    """Queue a sample of this event for this webhook, whatever it selected; returns the id of the
    event. The sample is the catalogue's example, and begins by saying so. Raises BadInput for an
    event type that nobody can select.
    """
    selected = selectable_type(event_type)
    payload = CATALOGUE[selected].sample
    with transaction():
        webhook = usable_webhook(actor, webhook_id)
        event_id = queue_for(webhook, selected, payload, now, purpose=Purpose.SAMPLE)
        _note(actor, webhook, "sample sent", now, subject=f"{selected} to {webhook.url}")
        after_commit(wake)
    return event_id


def redeliver(actor: Actor, delivery_uuid: str, now: datetime, *, wake: Wake) -> Redelivered:
    """Attempt a delivery again, now, with the same id; `queries.attempted_again` tells how it went.

    A settled delivery gets a whole schedule. Where it is or was a chat line, its bytes are made
    anew, in today's format and language. One that failed and waits is attempted beside its
    schedule, which goes on afterwards as if nothing had happened. One that was never attempted is
    only brought forward, and one in flight is left alone.
    """
    with transaction():
        delivery = find_delivery(actor, delivery_uuid)
        webhook = usable_webhook(actor, delivery.webhook_id)
        start_again([webhook.id], Delivery.id == delivery.id, Status.PENDING, now)
        last = last_attempt_ids([delivery.id]).get(delivery.id, 0)
        _note(actor, webhook, "redelivered", now, subject=str(delivery.uuid))
        after_commit(wake)
    return Redelivered(delivery.id, last)


def recover(
    actor: Actor,
    business_id: int,
    since: datetime,
    now: datetime,
    *,
    webhook_id: int | None = None,
    wake: Wake,
) -> int:
    """Redeliver everything that happened, and was abandoned since then; returns how many
    deliveries.
    """
    with transaction():
        business = authorize(actor, business_id)
        require_included(business)
        webhooks = Webhook.select(Webhook.id).where(
            (Webhook.business == business_id) & Webhook.deleted_at.is_null()
        )
        if webhook_id is not None:
            webhooks = webhooks.where(Webhook.id == find_webhook(actor, webhook_id).id)
        webhook_ids = [row[0] for row in webhooks.tuples()]
        recovered = start_again(
            webhook_ids,
            one_of(Delivery.webhook, webhook_ids)
            & has_status(Status.ABANDONED)
            & (Delivery.settled_at >= since)
            & counts_for_health(one_of(Event.webhook, webhook_ids)),
            Status.FAILED,
            now,
        )
        note(
            actor,
            business_id,
            "recovered",
            now,
            webhook_id=webhook_id,
            subject=f"{recovered} deliveries since {since.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        )
        after_commit(wake)
    return recovered


def _note(
    actor: Actor,
    webhook: Webhook,
    action: str,
    now: datetime,
    *,
    subject: str | None = None,
    detail: str = "",
) -> None:
    note(
        actor,
        webhook.business_id,
        action,
        now,
        webhook_id=webhook.id,
        subject=subject or webhook.url,
        detail=detail,
    )


def _standing(webhook_id: int) -> object:
    return (Webhook.id == webhook_id) & Webhook.deleted_at.is_null()


def _selection(events: Iterable[str]) -> tuple[EventType, ...]:
    """The event types with these names, each once, in the order of the product's page."""
    named = {selectable_type(name) for name in events}
    if not named:
        raise BadInput(
            N_("Select at least one event: a webhook without events would never be called.")
        )
    return tuple(event for event in SELECTABLE if event in named)


def _select(webhook_id: int, events: tuple[EventType, ...]) -> None:
    SelectedEvent.insert_many(
        [(webhook_id, event) for event in events],
        [SelectedEvent.webhook, SelectedEvent.event_type],
    ).execute()
