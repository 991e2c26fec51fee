"""The card of a webhook: what is the matter and what to do first, then its day, then its settings.

Lines of text for a width and a height, the most important first: what does not fit is cut off its
end.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from rich.cells import cell_len
from textual.content import Content

from core.domain.choices import Format
from core.domain.cleaning import clean
from core.domain.delivery import TOLD_BEFORE
from core.domain.events import SELECTABLE, EventType
from core.domain.language import N_, Language
from core.use_cases.deliveries import DeliveryRow, Headline
from core.use_cases.queries import WebhookRow
from core.use_cases.webhook_health import Details, Health, State
from tui.desk import Desk
from tui.failures import explain, outcome_of, readable, said_by
from tui.first_steps import in_lines, steps_of
from tui.language import _, day_width, ngettext, number, spoken, who
from tui.states import Told, many, of_delivery, of_state
from tui.timeline import span
from tui.untrusted import untrusted, whole_parts
from tui.widgets.chart import BAR, NOTHING_ARRIVED, chart

_GAP = Content("")
_DELIVERIES = 6
_CHART_HEIGHT = 8
_ROOMY = 24  # lines from which there are empty ones between the parts
_BECAME = 19  # cells for what became of a delivery
_SECOND = timedelta(seconds=1)


def card(health: Health, known: Details, desk: Desk, width: int, height: int) -> list[Content]:
    gap = [_GAP] if height >= _ROOMY else []
    lines = [_title(health, width), *gap, *_matter(health, desk, width)]
    for part in (_first_steps(known, width), _latest(known, desk, width)):
        lines += [*gap, *part][: max(0, height - len(lines))] if part else []
    for part in (_day(health, known, desk, width), _settings(health.webhook, known, desk, width)):
        if part and len(lines) + len(gap) + len(part) <= height:  # a part of a chart is none
            lines += [*gap, *part]
    return lines[:height]


def spread(left: Content, right: Content, width: int) -> Content:
    """One at each end of a line; where both do not fit, the left one is cut."""
    left = left.truncate(max(0, width - right.cell_length - 1), ellipsis=True)
    gap = width - left.cell_length - right.cell_length
    return Content.assemble(left, " " * max(0, gap), right)


def line_of_event(at: str, headline: Headline, became: Told, room: int, width: int) -> Content:
    """When, what, and what became of it, which has so many cells."""
    end = Content.styled(became.glyph, became.style) + untrusted(f" {became.words}")
    end = end.pad_right(max(0, room - end.cell_length))
    left = width - end.cell_length - cell_len(at) - 2
    what = whole_parts(clean(headline.said_in(spoken())), left)
    return spread(untrusted(f"{at} {what}"), end, width)


def heading(text: str, right: str, width: int) -> Content:
    return spread(Content(text), untrusted(right), width).stylize(".quiet")


def _title(health: Health, width: int) -> Content:
    webhook = health.webhook
    host = urlsplit(readable(webhook.url)).netloc
    name = webhook.choices.name
    rest = f" · {webhook.url}" if name else webhook.url.partition(urlsplit(webhook.url).netloc)[2]
    return spread(untrusted(name or host, "bold") + untrusted(rest), _chip(health), width)


def _chip(health: Health) -> Content:
    told = of_state(health.state)
    word = told.words.upper()
    if health.state is State.FAILING:
        return Content.styled(f" {told.glyph} {word} ", ".chip")
    return Content.styled(told.glyph, told.style) + f" {word}"


def _matter(health: Health, desk: Desk, width: int) -> list[Content]:
    """What to do, in bold, and what is known of it."""
    lines = [untrusted(text) for text in (_times(health, desk), _said(health)) if text]
    advice = untrusted(_advice(health, desk), "bold").wrap(width)
    return [*advice, *[line.truncate(width, ellipsis=True) for line in lines]]


def _advice(health: Health, desk: Desk) -> str:
    if health.state is State.PAUSED:
        if soon_lost(health, desk):
            return _(
                "You paused it, so nothing is sent. The oldest of what waits is soon abandoned. "
                "Press P to resume."
            )
        return _("You paused it, so nothing is sent. Press P to resume.")
    if health.latest is None:
        return _("Nothing was sent to it yet. Press t to send a test.")
    why = explain(health.latest, health.webhook, desk.timeout / _SECOND)
    if health.state is State.FAILING:
        return _("{why} Then press t to test it.").format(why=why)
    return why or _("What is sent to it arrives.")


def soon_lost(health: Health, desk: Desk) -> bool:
    """Whether what is parked will soon be older than the history that is kept."""
    since = health.webhook.parked_since
    return since is not None and since + desk.keep <= desk.clock() + TOLD_BEFORE


def _times(health: Health, desk: Desk) -> str:
    known, paused_at = [], health.webhook.paused_at
    if paused_at is not None:
        known.append(_("paused since {when}").format(when=desk.soon(paused_at)))
    if health.failing_since is not None:
        known.append(_("failing since {when}").format(when=desk.soon(health.failing_since)))
    if health.waiting:
        told = ngettext("{count} wait", "{count} wait", health.waiting)
        known.append(told.format(count=many(health.waiting)))
    held_until = health.webhook.held_until
    if held_until is not None and held_until > desk.clock():
        known.append(_("it asked to wait until {when}").format(when=desk.soon(held_until)))
    elif health.next_attempt_at is not None:
        known.append(_("next try {when}").format(when=desk.soon(health.next_attempt_at)))
    if health.given_up:
        told = ngettext(
            "{count} abandoned, r sends again", "{count} abandoned, r sends again", health.given_up
        )
        known.append(told.format(count=many(health.given_up)))
    return " · ".join(known)


def _said(health: Health) -> str:
    latest = health.latest
    if latest is None:
        return ""
    quoted = said_by(latest)
    if not quoted:
        return _("it said: {outcome}").format(outcome=outcome_of(latest))
    return _("it said: {outcome} “{quoted}”").format(outcome=outcome_of(latest), quoted=quoted)


def _first_steps(known: Details, width: int) -> list[Content]:
    if known.first_steps is None:
        return []
    steps = steps_of(known.first_steps)
    done = sum(step.is_done for step in steps)
    told = _("{count} of {of} done").format(count=done, of=len(steps))
    return [heading(_("FIRST STEPS"), told, width), *in_lines(steps, width)]


def _latest(known: Details, desk: Desk, width: int) -> list[Content]:
    if not known.latest:
        return []
    lines = [_delivery(row, desk, width) for row in known.latest[:_DELIVERIES]]
    return [heading(_("LAST DELIVERIES"), _("h all of them"), width), *lines]


def _delivery(row: DeliveryRow, desk: Desk, width: int) -> Content:
    at = f"{desk.soon(row.created_at):<{day_width()}}"
    return line_of_event(at, row.headline, of_delivery(row, desk.max_attempts), _BECAME, width)


def _day(health: Health, known: Details, desk: Desk, width: int) -> list[Content]:
    arrived = sum(hour.delivered for hour in health.hours)
    failed = sum(hour.not_delivered for hour in health.hours)
    if not arrived + failed:
        return []
    counts = _("{bar} {arrived} arrived · {mark} {failed} failed").format(
        bar=BAR, arrived=number(arrived), mark=NOTHING_ARRIVED, failed=number(failed)
    )
    lines = chart(health.hours, desk.local(health.hours_begin), width, _CHART_HEIGHT)
    return [heading(_("24 HOURS"), counts, width), *lines, *_answer_times(known.latest)]


def _answer_times(rows: Sequence[DeliveryRow]) -> list[Content]:
    took = sorted(row.duration_us for row in rows if row.http_status is not None)
    if not took:
        return []
    usual, slow = span(took[len(took) // 2]), span(took[len(took) * 9 // 10])
    if slow == usual:
        return [Content(_("answers in {usual}").format(usual=usual))]
    told = _("answers in {usual}; one in ten takes {slow} or more")
    return [Content(told.format(usual=usual, slow=slow))]


def _settings(webhook: WebhookRow, known: Details, desk: Desk, width: int) -> list[Content]:
    lines = (
        (_("sends"), _sent(webhook.events)),
        (_("as"), _form(webhook)),
        (_("made"), _made(webhook, known, desk)),
    )
    told = [untrusted(f"{name:<8} {what}") for name, what in lines if what]
    return [
        heading(_("SETTINGS"), _("e change"), width),
        *[line.truncate(width, ellipsis=True) for line in told],
    ]


def _made(webhook: WebhookRow, known: Details, desk: Desk) -> str:
    made = desk.day(webhook.created_at)
    if known.made_by:
        made = _("{day} by {login}").format(day=made, login=who(known.made_by))
    if known.secret_renewed_at is None:
        return made
    renewed = _("secret renewed {day}").format(day=desk.day(known.secret_renewed_at))
    return f"{made} · {renewed}"


def _form(webhook: WebhookRow) -> str:
    chosen = webhook.choices
    if chosen.format is Format.JSON:
        return _("JSON, with Standard Webhooks headers") if chosen.standard_webhooks else ""
    match chosen.language:
        case Language.ENGLISH:
            return _("chat message in English")
        case Language.FRENCH:
            return _("chat message in French")
        case Language.DUTCH:
            return _("chat message in Dutch")


def _sent(events: Sequence[EventType]) -> str:
    """The events it gets, as a person lists them: `tickets: new, cancelled`."""
    return _("all seven events") if len(events) == len(SELECTABLE) else " · ".join(_grouped(events))


_GROUPS = (  # all of a group, and each of it alone
    (
        N_("tickets: new, cancelled"),
        {
            EventType.TICKET_CREATED: N_("tickets: new"),
            EventType.TICKET_CANCELLED: N_("tickets: cancelled"),
        },
    ),
    (
        N_("clients: new, changed"),
        {
            EventType.CLIENT_CREATED: N_("clients: new"),
            EventType.CLIENT_UPDATED: N_("clients: changed"),
        },
    ),
    (N_("products: changed"), {EventType.PRODUIT_UPDATED: N_("products: changed")}),
    (
        N_("promotions: new, changed"),
        {
            EventType.PROMOTION_CREATED: N_("promotions: new"),
            EventType.PROMOTION_UPDATED: N_("promotions: changed"),
        },
    ),
)


def _grouped(events: Sequence[EventType]) -> Iterable[str]:
    for every, words in _GROUPS:
        chosen = [word for event, word in words.items() if event in events]
        if chosen:
            yield _(every if len(chosen) == len(words) else chosen[0])
