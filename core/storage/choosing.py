"""What a webhook has chosen, as its row stores it."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from functools import lru_cache

from core.domain.choices import Choices, Format
from core.domain.conditions import Condition, parse_conditions
from core.domain.language import Language
from core.domain.own_headers import OwnHeader, check_header
from core.errors import BadInput, BadKeyFile
from core.storage.models import Webhook
from core.storage.vault import Vault


def choices_of(webhook: Webhook) -> Choices:
    return Choices(
        name=webhook.name,
        format=Format(webhook.format),
        language=Language(webhook.language),
        standard_webhooks=webhook.standard_webhooks,
        headers=tuple(sealed_headers(webhook.headers)),
        only=tuple(json.loads(webhook.only or "[]")),
        pace=webhook.pace,
        alerts=webhook.alerts,
    )


def columns_of(choices: Choices, names: Iterable[str]) -> dict[str, object]:
    """What to write into a row for the choices named. The others are left out, since somebody may
    have changed them meanwhile.

    Its own headers are left out too, because they are sealed: see `seal_headers`.
    """
    columns = {name: getattr(choices, name) for name in names if name != "headers"}
    if "only" in columns:
        columns["only"] = json.dumps(choices.only) if choices.only else None
    return columns


@lru_cache(maxsize=1024)
def conditions_in(only: str) -> tuple[Condition, ...]:
    """The conditions that a row stores."""
    return parse_conditions(json.loads(only))


def sealed_headers(column: str | None) -> dict[str, bytes]:
    """The headers of its own that a row stores: each name, and its value as it was sealed."""
    return {name: b64decode(sealed) for name, sealed in json.loads(column or "{}").items()}


def column_of(sealed: Mapping[str, bytes]) -> str | None:
    """What a row stores for these headers: the reverse of `sealed_headers`."""
    texts = {name: b64encode(value).decode() for name, value in sealed.items()}
    return json.dumps(texts) if texts else None


def purpose_of(name: str) -> str:
    """What the vault is told that a header's value is for, so that it opens in no other place."""
    return f"header {name}"


def open_headers(
    vault: Vault, column: str | None, business_id: int, webhook_id: int
) -> tuple[OwnHeader, ...]:
    """The webhook's own headers with their values. Raises BadKeyFile where one does not open, or
    must not be sent.
    """
    headers = tuple(
        OwnHeader(name, vault.open(sealed, business_id, webhook_id, purpose_of(name)))
        for name, sealed in sealed_headers(column).items()
    )
    for header in headers:
        try:
            check_header(header)
        except BadInput as error:
            raise BadKeyFile(error.sentence, **error.values) from None
    return headers


def seal_headers(
    vault: Vault,
    headers: Iterable[OwnHeader],
    before: str | None,
    business_id: int,
    webhook_id: int,
) -> str | None:
    """What a row is to store for these headers; one without a value keeps that of `before`."""
    kept, sealed = sealed_headers(before), dict[str, bytes]()
    for header in headers:
        whose = business_id, webhook_id, purpose_of(header.name)
        value = header.value or vault.open(kept[header.name], *whose)
        sealed[header.name] = vault.seal(value, *whose)
    return column_of(sealed)
