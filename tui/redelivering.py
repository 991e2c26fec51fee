"""`R`, from any screen: a delivery goes again, and whoever pressed it is told how it went.

They are told on the page that is on top by then, once nothing is waited for any more: what goes at
the same time is told in one sentence.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import cast

from textual.timer import Timer

from core.domain.delivery import Status
from core.domain.language import N_
from core.use_cases import queries, services
from core.use_cases.deliveries import DeliveryRow, Redelivered
from core.use_cases.queries import Again, WebhookRow
from tui.failures import outcome_of, said_by
from tui.language import _, ngettext
from tui.page import BAD, GOOD, Page
from tui.ping import LOOK, PATIENCE, Verdict
from tui.session import Session

_GOES = N_("✓ {event} of {when} goes again.")
_WENT = Verdict(
    N_("✓ {event} of {when} delivered: {outcome} in {time} {said}"),
    N_("✗ {event} of {when} failed: {outcome} in {time} {said}"),
)


def redeliver(page: Page, row: DeliveryRow) -> None:
    """Send it again and tell how it went; pressed twice, once."""
    desk, now, uuid = page.desk, page.desk.clock(), str(row.uuid)

    def again() -> tuple[Redelivered, WebhookRow, DeliveryRow]:
        redelivered = services.redeliver(desk.actor, uuid, now, wake=desk.wake)
        webhook = queries.webhook(desk.actor, row.webhook_id)
        return redelivered, webhook, queries.delivery(desk.actor, uuid).delivery

    page.act(row.uuid, again, lambda found: _goes(page, *found))


def _goes(page: Page, redelivered: Redelivered, webhook: WebhookRow, row: DeliveryRow) -> None:
    desk, held_until = page.desk, webhook.held_until
    if row.is_parked:
        page.flash(_("It is parked: the webhook is paused, and P resumes it."))
    elif held_until is not None and held_until > desk.clock():
        told = _("The server asked for nothing more until {time}.")
        page.flash(told.format(time=desk.time(held_until)))
    else:
        page.flash(_(_GOES).format(event=row.event, when=desk.moment(row.created_at)), GOOD)
        await_outcomes(page, webhook, [redelivered])


def await_outcomes(page: Page, webhook: WebhookRow, which: Collection[Redelivered]) -> None:
    """Tell how these deliveries of that webhook went, once they have been attempted again."""
    cast("Session", page.app).await_outcomes(webhook, which)


class Outcomes:
    """What a session waits for, and what became of the rest since it was last told of any."""

    def __init__(self, app: Session) -> None:
        self._app = app
        self._waiting: list[Redelivered] = []
        self._ended: dict[int, DeliveryRow] = {}  # by the id of the delivery
        self._webhooks: dict[int, WebhookRow] = {}  # the same
        self._until: datetime | None = None  # when one of those that wait should have ended
        self._timer: Timer | None = None
        self._asked: Page | None = None  # through which the database is being asked

    def wait_for(self, webhook: WebhookRow, which: Collection[Redelivered]) -> None:
        anew = {each.delivery_id for each in which}
        self._waiting = [each for each in self._waiting if each.delivery_id not in anew]
        self._waiting += which
        self._webhooks |= dict.fromkeys(anew, webhook)
        self._be_patient()
        if self._timer is None:
            self._timer = self._app.set_interval(LOOK, self._look)

    def _be_patient(self) -> None:
        self._until = self._app.desk.clock() + self._app.desk.timeout + PATIENCE

    def _look(self) -> None:
        """Through the page on top; one that is left keeps its answer to itself."""
        page = self._app.screen
        if not isinstance(page, Page) or page is self._asked:
            return
        self._asked = page
        actor, business_id, asked = self._app.desk.actor, self._app.business_id, [*self._waiting]
        page.try_to_ask(
            lambda: queries.attempted_again(actor, business_id, asked),
            lambda again: self._seen(page, asked, again),
        )

    def _seen(self, through: Page, asked: Sequence[Redelivered], again: Again | None) -> None:
        if through is not self._asked:  # another was asked since
            return
        self._asked = None
        if again is not None:
            self._ended |= {row.id: row for row in again.attempted}
            self._waiting = [
                each for each in self._waiting if each not in asked or each in again.waiting
            ]
            if again.attempted:
                self._be_patient()
        page = cast("Page", self._app.screen)
        is_over = self._until is None or self._app.desk.clock() >= self._until
        if (is_over or not self._waiting) and not page.is_warning:
            self._tell(page)

    def _tell(self, page: Page) -> None:
        told = self._sentence([*self._ended.values()], len(self._waiting))
        if told is not None:
            page.flash(*told)
        if self._timer is not None:
            self._timer.stop()
        self._timer, self._waiting, self._ended, self._webhooks = None, [], {}, {}

    def _sentence(self, rows: Sequence[DeliveryRow], waiting: int) -> tuple[str, str] | None:
        """And its style. None where all that was waited for is gone."""
        if waiting:
            return self._still_waiting(rows, waiting)
        failed = [row for row in rows if row.status is not Status.DELIVERED]
        if len(rows) == 1:
            desk, row = self._app.desk, rows[0]
            when = desk.moment(row.created_at)
            return _WENT.said(self._webhooks[row.id], row, event=row.event, when=when)
        if failed:
            told = _("✗ {count} sent again: {delivered} delivered, {failed} failed: {why}")
            why = f"{outcome_of(failed[-1])} {said_by(failed[-1])}"
            return _counted(told, rows, why=why), BAD
        if rows:
            told = ngettext(
                "✓ {count} sent again and delivered.",
                "✓ {count} sent again, all delivered.",
                len(rows),
            )
            return _counted(told, rows), GOOD
        return None

    def _still_waiting(self, rows: Sequence[DeliveryRow], waiting: int) -> tuple[str, str]:
        if rows or waiting > 1:
            told = _("Sent again: {delivered} delivered, {failed} failed, {waiting} still wait.")
            return _counted(told, rows, waiting=waiting), ""
        pace = self._webhooks[self._waiting[0].delivery_id].choices.pace
        if pace is not None:
            return _("It waits for its turn, at {pace}.").format(pace=pace), ""
        return _("It is still waiting: is the worker running? It stays queued."), BAD


def _counted(told: str, rows: Sequence[DeliveryRow], **values: object) -> str:
    delivered = sum(row.status is Status.DELIVERED for row in rows)
    counts = {"count": len(rows), "delivered": delivered, "failed": len(rows) - delivered}
    return told.format(**counts, **values)
