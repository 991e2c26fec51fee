"""Who may do what: role, edition and option, read from the tables at every action."""

from uuid import UUID

from core.domain.actors import Actor, Role
from core.domain.editions import includes_webhooks, why_not_included
from core.domain.language import N_
from core.errors import NotAllowed, NotFound
from core.storage.models import Business, Delivery, Member, Webhook
from core.storage.rows import no_business, row_of


def authorize(actor: Actor, business_id: int) -> Business:
    """The business, if this actor may see and change its webhooks: only its owners and the operator
    may.

    Raises NotFound both for a business that does not exist and for one that the member does not
    belong to, so that nobody can tell them apart; and NotAllowed for a member with another role.
    """
    business = row_of(Business, business_id)
    role = _role(actor, business_id) if business is not None else None
    if business is None or role is None:
        raise no_business(business_id)
    if role != Role.OWNER:
        raise NotAllowed(
            N_(
                "Only an owner of {business} may see or change its webhooks; {actor} is {role} "
                "there: ask an owner."
            ),
            business=business.name,
            actor=actor.name,
            role=Role(role),
        )
    return business


def _role(actor: Actor, business_id: int) -> str | None:
    if actor.login is None:
        return Role.OWNER
    member = Member.get_or_none((Member.business == business_id) & (Member.login == actor.login))
    return member.role if member is not None else None


def require_included(business: Business) -> None:
    if not includes_webhooks(business.edition, option=business.option):
        raise why_not_included(business.name, business.edition)


def find_webhook(actor: Actor, webhook_id: int) -> Webhook:
    """The webhook, if this actor may see and change it. Raises what `authorize` raises."""
    webhook = row_of(Webhook, webhook_id)
    missing = NotFound(
        f"There is no webhook {webhook_id} here: see `aurapos-webhooks webhook list`."
    )
    if webhook is None or webhook.deleted_at is not None:
        raise missing
    try:
        authorize(actor, webhook.business_id)
    except NotFound:
        raise missing from None
    return webhook


def usable_webhook(actor: Actor, webhook_id: int) -> Webhook:
    """The same, if its business may have webhooks. Raises NotIncluded as well."""
    webhook = find_webhook(actor, webhook_id)
    require_included(webhook.business)
    return webhook


def find_delivery(actor: Actor, delivery_uuid: str) -> Delivery:
    missing = NotFound(f"There is no delivery {delivery_uuid} here.")
    try:
        delivery = Delivery.get_or_none(Delivery.uuid == UUID(delivery_uuid))
    except ValueError:
        raise missing from None
    if delivery is None:
        raise missing
    try:
        find_webhook(actor, delivery.webhook_id)
    except NotFound:
        raise missing from None
    return delivery
