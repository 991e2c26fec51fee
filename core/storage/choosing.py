"""What a webhook has chosen, as its row holds it."""

from collections.abc import Iterable

from core.domain.choices import Choices, Format
from core.domain.language import Language
from core.storage.models import Webhook


def choices_of(webhook: Webhook) -> Choices:
    return Choices(
        name=webhook.name,
        format=Format(webhook.format),
        language=Language(webhook.language),
        standard_webhooks=webhook.standard_webhooks,
    )


def columns_of(choices: Choices, names: Iterable[str]) -> dict[str, object]:
    """What to write into its row of the choices named: others may have changed meanwhile."""
    return {name: getattr(choices, name) for name in names}
