"""What owners connect AuraPOS to, from what happens in the business to what it does elsewhere.

Each test is one use: a real worker, and in place of the service a stand-in that answers as it does.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.domain.catalogue import CATALOGUE
from core.domain.events import SELECTABLE, EventType
from core.domain.signing import Secret
from tests.support.installation import Installation
from tests.support.kits import Kit, for_brevo, for_mailchimp, for_woocommerce
from tests.support.programs import needs
from tests.support.scripted import Scripted
from tests.support.services import (
    Brevo,
    Mailchimp,
    Make,
    Produits,
    Service,
    Slack,
    WooCommerce,
    Zapier,
    serving,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.files_only("what a service gets is the same from either engine")

AMELIE = {"id": 412, "prenom": "Amélie", "nom": "Dubois", "email": "amelie@example.com"}


@dataclass
class Shop:
    """Chez Marie: AuraPOS, a running worker, and what her owner connects."""

    installed: Installation

    def connect(self, url: str, *events: str, **options: str) -> Any:
        chosen = [f"--event={event}" for event in events] or ["--all-events"]
        chosen += [f"--{name}={value}" for name, value in options.items()]
        return self.installed.json("webhook", "create", url, *chosen)

    def happens(self, event: str, payload: Any) -> None:
        self.installed.json("emit", event, stdin=json.dumps(payload).encode())

    def everything_happens(self) -> None:
        for event in SELECTABLE:
            self.installed.json("emit", event, stdin=CATALOGUE[event].example.encode())

    def statuses(self, webhook_id: int) -> list[str]:
        return [row["status"] for row in self.installed.deliveries(webhook_id)]

    def answers(self, webhook_id: int) -> set[tuple[int, str]]:
        rows = self.installed.deliveries(webhook_id)
        return {(row["http_status"], row["response"]) for row in rows}


@pytest.fixture
def shop(installed: Installation) -> Iterator[Shop]:
    with installed.worker() as worker:
        worker.wait_for("worker started")
        yield Shop(installed)


@pytest.fixture
def kit(shop: Shop, tmp_path: Path) -> Iterator[Any]:
    """Starts a receiver kit, connected for these events."""
    with ExitStack() as started:

        def connected(language: str, handler: str, *events: str, **env: str) -> tuple[Kit, int]:
            receiver = Kit(language, handler, tmp_path, **env)
            webhook = shop.connect(receiver.url, *events)
            receiver.secret = Secret(webhook["secret"])
            return started.enter_context(receiver), webhook["id"]

        yield connected


def ticket(number: int, total: float, **more: Any) -> dict[str, Any]:
    at = "2026-05-17T12:00:00Z"
    return {"id": number, "numero": number, "total_tvac": total, "date": at, "lignes": []} | more


# A message in Slack for each ticket.


def test_slack_shows_each_event_once_as_a_line(shop: Shop, receiver: Scripted) -> None:
    with serving(slack := Slack()):
        shop.connect(f"{slack.url}/services/T0/B0/x", format="chat")
        other = shop.connect(receiver.url)
        shop.everything_happens()
        wait_until(lambda: len(slack.messages) == len(SELECTABLE) == len(receiver.requests))
    assert "Ticket 1234 · 55.10 € · Bancontact · 3 lines" in slack.messages
    assert len(set(slack.messages)) == len(SELECTABLE)
    for request in receiver.requests:  # whoever chose nothing gets what was always sent
        event = EventType(request.headers["X-AuraPOS-Event"])
        assert request.body.endswith(b'"payload":%b}' % CATALOGUE[event].example.encode())
        assert request.headers["X-AuraPOS-Signature"] == Secret(other["secret"]).sign(request.body)


def test_slack_without_a_text_says_so_and_nobody_is_told_ok(shop: Shop) -> None:
    with serving(slack := Slack()):
        webhook = shop.connect(f"{slack.url}/services/T0/B0/x", "ticket.created")
        shop.happens("ticket.created", ticket(1, 10))
        wait_until(lambda: shop.statuses(webhook["id"]) == ["abandoned"])
    assert shop.answers(webhook["id"]) == {(400, "no_text")}
    assert slack.messages == []


# Customers in a CRM.


@needs("php", "php-cli")
def test_a_customer_is_a_contact_in_brevo_once(shop: Shop, kit: Any) -> None:
    with serving(brevo := Brevo()):
        receiver, _ = kit("php", "brevo", "client.created", "client.updated", **for_brevo(brevo))
        shop.happens("client.created", AMELIE)
        wait_until(lambda: brevo.contacts)
        receiver.restart()
        shop.happens("client.updated", AMELIE | {"nom": "Lambert"})
        wait_until(lambda: _brevo_name(brevo) == "Lambert")
        assert brevo.created == ["amelie@example.com"]


def _brevo_name(brevo: Brevo) -> str:
    return str(brevo.contacts["amelie@example.com"]["attributes"]["LASTNAME"])


@needs("node", "nodejs")
def test_a_customer_is_a_member_in_mailchimp_once(shop: Shop, kit: Any) -> None:
    with serving(mailchimp := Mailchimp()):
        events = ("client.created", "client.updated")
        receiver, _ = kit("node", "mailchimp", *events, **for_mailchimp(mailchimp))
        shop.happens("client.created", AMELIE)
        wait_until(lambda: mailchimp.members)
        receiver.restart()
        shop.happens("client.updated", AMELIE | {"nom": "Lambert"})
        wait_until(lambda: _mailchimp_names(mailchimp) == ["Lambert"])
        assert mailchimp.created == ["amelie@example.com"]


def _mailchimp_names(mailchimp: Mailchimp) -> list[str]:
    return [member["merge_fields"]["LNAME"] for member in mailchimp.members.values()]


# Anything else, by Zapier or Make.


@pytest.mark.parametrize(
    ("service", "answer"),
    [(Zapier(), '"status": "success"'), (Make(), "Accepted")],
    ids=["zapier", "make"],
)
def test_zapier_and_make_get_every_event_with_its_fields(
    shop: Shop, service: Service, answer: str
) -> None:
    with serving(service):
        webhook = shop.connect(f"{service.url}/hooks/catch/123/abc")
        shop.everything_happens()
        wait_until(lambda: shop.statuses(webhook["id"]) == ["delivered"] * len(SELECTABLE))
    got = {asked.document["event"]: asked.document["payload"] for asked in service.asked}
    assert got == {event: json.loads(CATALOGUE[event].example) for event in SELECTABLE}
    assert all(answer in said and status == 200 for status, said in shop.answers(webhook["id"]))


# The catalogue in a web shop.


@needs("php", "php-cli")
def test_a_product_that_changed_is_changed_in_the_web_shop(shop: Shop, kit: Any) -> None:
    produits, web = Produits(), WooCommerce()
    produits.produits["87"] = {"id": 87, "nom": "Moules-frites", "prix_tvac": 26.50}
    with serving(produits, web):
        kit("php", "woocommerce", "produit.updated", **for_woocommerce(produits, web))
        shop.happens("produit.updated", {"id": 87})
        wait_until(lambda: [each["regular_price"] for each in web.products.values()] == ["26.50"])
        produits.produits["87"]["prix_tvac"] = 27.00
        shop.happens("produit.updated", {"id": 87})
        wait_until(lambda: [each["regular_price"] for each in web.products.values()] == ["27.00"])


# Figures for a dashboard.


@needs("node", "nodejs")
def test_a_dashboard_has_the_totals_of_the_day(shop: Shop, kit: Any, tmp_path: Path) -> None:
    events = ("ticket.created", "ticket.cancelled")
    kit("node", "books", *events, BOOKS_FOLDER=str(tmp_path / "books"))
    shop.happens("ticket.created", ticket(1, 55.10))
    shop.happens("ticket.created", ticket(2, 30))
    shop.happens("ticket.created", ticket(3, 14.90))
    shop.happens("ticket.cancelled", ticket(2, 30))
    wait_until(lambda: _totals(tmp_path) == "day,tickets,total_tvac\n2026-05-17,2,70.00\n")


def _totals(folder: Path) -> str:
    totals = folder / "books" / "daily_totals.csv"
    return totals.read_text() if totals.exists() else ""


# The books.


def test_the_books_have_each_ticket_once_after_an_outage_of_days(
    shop: Shop, kit: Any, tmp_path: Path
) -> None:
    """The weekly job fetches what was abandoned; it is booked once, also if it comes after all."""
    receiver, webhook_id = kit(
        "python", "books", "ticket.created", BOOKS_FOLDER=str(tmp_path / "books")
    )
    shop.happens("ticket.created", ticket(1, 10))
    wait_until(lambda: shop.statuses(webhook_id) == ["delivered"])
    receiver.kill()
    shop.happens("ticket.created", ticket(2, 20))
    shop.happens("ticket.created", ticket(3, 30))
    wait_until(lambda: shop.statuses(webhook_id) == ["abandoned", "abandoned", "delivered"])
    receiver.start()
    week = shop.installed.ok("events", "export", "--since", "8d", "--undelivered", str(webhook_id))
    assert len(week.splitlines()) == 2
    assert receiver.bridge(week.encode()).returncode == 0
    wait_until(lambda: _totals(tmp_path).endswith("\n2026-05-17,3,60.00\n"))
    shop.installed.ok("recover", "--since", "2026-01-01T00:00", "--webhook", str(webhook_id))
    wait_until(lambda: shop.statuses(webhook_id) == ["delivered"] * 3)
    receiver.await_work()
    assert _totals(tmp_path).endswith("\n2026-05-17,3,60.00\n")
