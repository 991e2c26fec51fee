"""The deliveries of all of a business's webhooks together."""

from textual.binding import Binding

from core.domain.actors import Actor
from core.use_cases import queries
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.webhook_health import pulse
from tui.failures import name_of
from tui.language import _, day_width, moment_width, spoken, widest
from tui.screens.deliveries import BECAME, Deliveries, Listed, Question
from tui.screens.history import History, history_of
from tui.states import longest_results, of_delivery
from tui.untrusted import cell, shortened, whole_parts
from tui.widgets.table import Column, Row

_ROOMY = 76  # columns from which the moment and the name are told in full


class Activity(Deliveries):
    is_of_many = True
    BINDINGS = [Binding("h", "history", "Of this webhook only", show=False)]

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), _("Activity")

    def columns(self) -> tuple[Column, ...]:
        date, webhook = _("DATE"), _("WEBHOOK")
        return (
            Column(date, day_width(), to_width=_ROOMY - 1),
            Column(date, moment_width(), from_width=_ROOMY),
            Column(webhook, 12, from_width=50, to_width=_ROOMY - 1, cut=shortened),
            Column(webhook, 16, from_width=_ROOMY, cut=shortened),
            Column(_("WHAT"), cut=whole_parts),
            Column("", 1),
            Column(_("BECAME"), widest(BECAME, longest_results())),
        )

    def read(self, asked: Question) -> Listed:
        return activity_of(self.desk.actor, self._app.business_id, asked)

    def row(self, delivery: DeliveryRow) -> Row:
        told = of_delivery(delivery, self.desk.max_attempts)
        name = cell(name_of(self.webhook_of(delivery)))
        return Row(
            str(delivery.uuid),
            (
                cell(self.desk.soon(delivery.created_at)),
                cell(self.desk.moment(delivery.created_at)),
                name,
                name,
                cell(delivery.headline.said_in(spoken())),
                cell(told.glyph, told.style),
                cell(told.words),
            ),
        )

    def why_none(self) -> str:
        if not self.listed.webhooks:
            return _("No webhooks yet, so nothing is sent. Press q, and n to create one.")
        return _("Nothing was sent yet. Press q, and t to send a test.")

    def action_history(self) -> None:
        webhook, actor = self.chosen_webhook(), self.desk.actor
        if webhook is not None:
            self.open(
                lambda: history_of(actor, webhook.id, Question()),
                lambda listed: History(webhook.id, listed),
            )


def activity_of(actor: Actor, business_id: int, asked: Question) -> Listed:
    """Deliveries first: of a webhook that was deleted in between, the row is left out."""
    seen, is_search = pulse(), asked.wanted.is_searched_for
    end = queries.horizon_of_business(actor, business_id, asked.before) if is_search else None
    rows = queries.deliveries_of_business(
        actor, business_id, wanted=asked.wanted, before=asked.before, after=end and end.id
    )
    webhooks = {row.id: row for row in queries.webhooks(actor, business_id)}
    return Listed(webhooks, [row for row in rows if row.webhook_id in webhooks], end, seen)
