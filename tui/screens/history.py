"""One webhook's deliveries."""

from collections.abc import Iterable

from core.domain.actors import Actor
from core.use_cases import queries
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.queries import Wanted, WebhookRow
from tui.failures import name_of, outcome_of
from tui.screens.deliveries import Deliveries, Listed, Question
from tui.states import of_delivery
from tui.untrusted import cell
from tui.widgets.table import Column, Row


class History(Deliveries):
    columns = (
        Column("DATE", 12),
        Column("WHAT"),
        Column("", 1),
        Column("BECAME", 17),
        Column("CODE", 8, from_width=60),
    )

    def __init__(self, webhook_id: int, listed: Listed, wanted: Wanted = queries.ALL) -> None:
        super().__init__(listed, wanted)
        self._webhook_id = webhook_id
        self.crumbs = ("Webhooks", name_of(self.webhook), "History")

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
                cell(delivery.headline),
                cell(told.glyph, told.style),
                cell(told.words),
                cell(outcome_of(delivery)),
            ),
        )

    def state(self) -> Iterable[str]:
        if self.webhook.paused_at is not None:
            since = self.desk.moment(self.webhook.paused_at)
            yield f"Paused since {since}, {self.webhook.parked} parked; P resumes."

    def chosen_webhook(self) -> WebhookRow:
        """The same whatever is under the cursor, and where nothing is."""
        return self.webhook


def history_of(actor: Actor, webhook_id: int, asked: Question) -> Listed:
    webhook = queries.webhook(actor, webhook_id)
    rows = queries.deliveries(actor, webhook_id, wanted=asked.wanted, before=asked.before)
    return Listed({webhook_id: webhook}, rows)
