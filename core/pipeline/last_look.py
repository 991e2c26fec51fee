"""The last look at what is about to be sent, as far as the tables can tell."""

from collections.abc import Mapping, Sequence

from core.domain.editions import includes_webhooks
from core.pipeline.leases import Claim
from core.storage.database import connection
from core.storage.standing import Standing, standing


def still_sendable(claims: Sequence[Claim]) -> list[bool]:
    """Whether each of these claims may still be sent, in their order.

    Nothing is sent on old terms, to a webhook that was deleted, or for a business whose option was
    switched off. To a webhook that was paused only what its owner sends on purpose may be sent.
    """
    with connection():
        known = standing({claim.webhook_id for claim in claims})
    return judge(claims, known)


def judge(claims: Sequence[Claim], known: Mapping[int, Standing | None]) -> list[bool]:
    """Whether each of these claims may be sent, where the webhooks stand like that."""
    return [_may_be_sent(claim, known.get(claim.webhook_id)) for claim in claims]


def _may_be_sent(claim: Claim, webhook: Standing | None) -> bool:
    if webhook is None or not includes_webhooks(webhook.edition, option=webhook.option):
        return False
    if webhook.terms != claim.terms:
        return False
    return claim.is_on_purpose or not webhook.is_paused
