"""One webhook's deliveries."""

from collections.abc import Iterable

from core.domain.actors import Actor
from core.use_cases import queries
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.queries import Wanted, WebhookRow
from core.use_cases.webhook_health import pulse
from tui.failures import longest_outcomes, name_of, outcome_of
from tui.language import _, moment_width, ngettext, spoken, widest
from tui.screens.deliveries import BECAME, Deliveries, Listed, Question
from tui.states import longest_results, of_delivery
from tui.untrusted import cell, whole_parts
from tui.widgets.table import Column, Row

_CODE = 8  # cells


class History(Deliveries):
    def __init__(self, webhook_id: int, listed: Listed, wanted: Wanted = queries.ALL) -> None:
        super().__init__(listed, wanted)
        self._webhook_id = webhook_id

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), name_of(self.webhook), _("History")

    def columns(self) -> tuple[Column, ...]:
        return (
            Column(_("DATE"), moment_width()),
            Column(_("WHAT"), cut=whole_parts),
            Column("", 1),
            Column(_("BECAME"), widest(BECAME, longest_results())),
            Column(_("CODE"), widest(_CODE, longest_outcomes()), from_width=60),
        )

    @property
    def webhook(self) -> WebhookRow:
        return self.listed.webhooks[self._webhook_id]

    def read(self, asked: Question) -> Listed:
        return history_of(self.desk.actor, self._webhook_id, asked)

    def row(self, delivery: DeliveryRow) -> Row:
        told = of_delivery(delivery, self.desk.max_attempts)
        return Row(
            str(delivery.uuid),
            (
                cell(self.desk.moment(delivery.created_at)),
                cell(delivery.headline.said_in(spoken())),
                cell(told.glyph, told.style),
                cell(told.words),
                cell(outcome_of(delivery)),
            ),
        )

    def state(self) -> Iterable[str]:
        if self.webhook.paused_at is not None:
            since, parked = self.desk.moment(self.webhook.paused_at), self.webhook.parked
            paused = ngettext(
                "Paused since {since}, {count} parked; P resumes.",
                "Paused since {since}, {count} parked; P resumes.",
                parked,
            )
            yield paused.format(since=since, count=parked)

    def chosen_webhook(self) -> WebhookRow:
        """The same whatever is under the cursor, and where nothing is."""
        return self.webhook


def history_of(actor: Actor, webhook_id: int, asked: Question) -> Listed:
    seen = pulse()
    webhook = queries.webhook(actor, webhook_id)
    end = queries.horizon(actor, webhook_id, asked.before) if asked.wanted.is_searched_for else None
    rows = queries.deliveries(
        actor, webhook_id, wanted=asked.wanted, before=asked.before, after=end and end.id
    )
    return Listed({webhook_id: webhook}, rows, end, seen)
