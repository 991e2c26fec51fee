"""A delivery as a person reads it: what it is, how it went, why, what to do, and what was sent."""

from textual.content import Content

from core.domain.delivery import BESIDE, Recovery
from core.domain.own_headers import variable_of
from core.domain.signing import (
    STANDARD_ID_HEADER,
    STANDARD_SIGNATURE_HEADER,
    STANDARD_TIME_HEADER,
    build_headers,
)
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.queries import DeliveryDetail, WebhookRow
from tui.card import spread
from tui.desk import Desk
from tui.failures import explain
from tui.language import _, short_duration, spoken
from tui.reading import readable_json, visible_text
from tui.states import event_of, of_delivery
from tui.timeline import timeline
from tui.untrusted import untrusted

_NOTHING = Content("")


def title(row: DeliveryRow, desk: Desk, width: int) -> Content:
    """What it is at the left, what became of it at the right."""
    told = of_delivery(row, desk.max_attempts)
    became = Content.styled(told.glyph, told.style) + f" {told.words}"
    return spread(untrusted(row.headline.said_in(spoken()), "bold"), became, width)


def when(row: DeliveryRow, desk: Desk) -> str:
    """When it happened, and when something happens next; this alone goes on with the clock."""
    parts = [event_of(row), desk.moment(row.created_at), _next(row, desk), _recovery(row, desk)]
    return " · ".join(filter(None, parts))


def _next(row: DeliveryRow, desk: Desk) -> str:
    if row.is_parked:
        return _("parked until the webhook is resumed")
    if row.next_attempt_at is None:
        return ""
    if row.resume_at is not None:
        told = _("once more now; its schedule goes on at {time}")
        return told.format(time=desk.time(row.resume_at))
    left = row.next_attempt_at - desk.clock()
    told = _("attempt {attempt} of {of} at {time}, now")
    if left.total_seconds() > 0:
        told = _("attempt {attempt} of {of} at {time}, in {left}")
    return told.format(
        attempt=row.attempts + 1,
        of=desk.max_attempts,
        time=desk.time(row.next_attempt_at),
        left=short_duration(left),
    )


def _recovery(row: DeliveryRow, desk: Desk) -> str:
    """What an outage of the address has to do with it."""
    if row.recovery is Recovery.MADE:
        return _("again after an outage")
    if row.recovery is None or row.settled_at is None:
        return ""
    until = row.settled_at + desk.recovery_window
    if until < desk.clock():
        return ""
    return _("goes out again if the server is back by {when}").format(when=desk.moment(until))


def attempts(detail: DeliveryDetail, desk: Desk, width: int) -> list[Content]:
    """Drawn as a line of time, and below it whose the last one was, if not the schedule's."""
    lines = timeline(detail.attempts, detail.delivery.next_attempt_at, desk, width)
    for last in detail.attempts[-1:]:
        if last.number == BESIDE:
            lines.append(Content(_("the last one by hand")))
        elif last.recovery:
            lines.append(Content(_("the last one by itself, after an outage")))
    return lines


def why(row: DeliveryRow, webhook: WebhookRow, desk: Desk) -> Content:
    """What it means and what to do about it; empty where there is nothing to explain."""
    told = explain(row, webhook, desk.timeout.total_seconds())
    return untrusted(told, "bold" if row.error is not None else "")


def contents(detail: DeliveryDetail, webhook: WebhookRow, width: int) -> list[Content]:
    """What it said and what it was told, to be read."""
    said = visible_text(detail.delivery.response)
    return [
        _rule(_("what it said")),
        *untrusted(said or _("(nothing)")).wrap(width),
        _NOTHING,
        _rule(_("payload")),
        *readable_json(detail.body, width),
        _NOTHING,
        _rule(_("request")),
        *_request(detail, webhook),
    ]


def exact(detail: DeliveryDetail, webhook: WebhookRow) -> list[Content]:
    """The same as it went over the wire, byte for byte."""
    return [
        _rule(_("request")),
        *_request(detail, webhook),
        _NOTHING,
        untrusted(detail.body.decode("utf-8", "replace")),
        _NOTHING,
        _rule(_("response, first 500 characters")),
        untrusted(detail.delivery.response or _("(none)")),
    ]


def _rule(word: str) -> Content:
    return Content(f"── {word} ──")


def _request(detail: DeliveryDetail, webhook: WebhookRow) -> list[Content]:
    row = detail.delivery
    made = _("(made with the secret at that time)")
    headers = build_headers(row.event, str(row.uuid), f"sha256=… {made}")
    if webhook.choices.standard_webhooks:
        headers += [
            (STANDARD_ID_HEADER, _("the delivery's")),
            (STANDARD_TIME_HEADER, _("… (of each attempt)")),
            (STANDARD_SIGNATURE_HEADER, "v1,…"),
        ]
    headers += [(name, variable_of(name)) for name in webhook.choices.headers]
    lines = [f"POST {webhook.url}", *(f"{name}: {value}" for name, value in headers)]
    return [untrusted(line) for line in lines]


def whole(
    detail: DeliveryDetail, webhook: WebhookRow, desk: Desk, width: int, height: int
) -> list[Content]:
    """All of it in so many lines, for beside a list: nothing in it goes on with the clock."""
    row = detail.delivery
    explained = why(row, webhook, desk)
    lines = [
        title(row, desk, width),
        untrusted(f"{event_of(row)} · {desk.moment(row.created_at, seconds=True)}"),
        _NOTHING,
        *attempts(detail, desk, width),
        *([_NOTHING, *explained.wrap(width)] if explained else []),
        _NOTHING,
        *contents(detail, webhook, width),
    ]
    return lines[:height]
