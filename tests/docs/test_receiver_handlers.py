"""The handlers of the receiver kits: what arrives where it should, once, whatever is killed."""

import csv
import json
import random
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.kits import (
    LANGUAGES,
    Kit,
    NewKit,
    delivery,
    for_brevo,
    for_mailchimp,
    for_shopify,
    for_woocommerce,
    killed_when,
)
from tests.support.services import Brevo, Mailchimp, Produits, Shopify, WooCommerce, serving
from tests.support.waiting import wait_until

AMELIE = {"id": 412, "prenom": "Amélie", "nom": "Dubois", "email": "Amelie@example.com"}


def test_a_contact_for_brevo_is_as_brevo_wants_it(kit: NewKit, brevo: Brevo) -> None:
    receiver = kit("brevo", **for_brevo(brevo))
    receiver.take_and_do(delivery(1, "client.created", AMELIE))
    assert brevo.contacts == {
        "amelie@example.com": {
            "email": "Amelie@example.com",
            "attributes": {"FIRSTNAME": "Amélie", "LASTNAME": "Dubois"},
            "listIds": [7],
            "updateEnabled": True,
        }
    }


def test_a_member_for_mailchimp_is_asked_whether_they_agree(
    kit: NewKit, mailchimp: Mailchimp
) -> None:
    receiver = kit("mailchimp", **for_mailchimp(mailchimp))
    receiver.take_and_do(
        delivery(1, "client.created", AMELIE),
        delivery(2, "client.updated", AMELIE | {"nom": "Lambert"}),
    )
    [member] = mailchimp.members.values()
    assert member["status"] == "pending"
    assert member["merge_fields"] == {"FNAME": "Amélie", "LNAME": "Lambert"}
    assert mailchimp.created == ["Amelie@example.com"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("handler", "method"), [("brevo", "POST"), ("mailchimp", "PUT")])
def test_killed_in_the_middle_each_customer_arrives_once(
    kit: NewKit, brevo: Brevo, mailchimp: Mailchimp, handler: str, method: str, when: str
) -> None:
    service = brevo if handler == "brevo" else mailchimp
    receiver = kit(handler, **for_brevo(brevo), **for_mailchimp(mailchimp))
    customers = [AMELIE | {"id": number, "email": f"c{number}@example.com"} for number in range(4)]
    bodies = [delivery(c["id"], "client.created", c) for c in customers]
    with service.standing_still(when, method) as reached, killed_when(receiver, reached):
        receiver.take(*bodies[:3])
    receiver.start()
    receiver.take_and_do(*bodies)
    assert sorted(service.created) == [f"c{number}@example.com" for number in range(4)]
    assert len(receiver.names("done")) == 4


@pytest.mark.parametrize(("when", "method"), [("before", "GET"), ("after", "POST")])
def test_killed_in_the_middle_a_product_is_in_the_shop_once_as_it_is_now(
    kit: NewKit, when: str, method: str
) -> None:
    produits, shop = Produits(), WooCommerce()
    produits.produits["87"] = {"id": 87, "nom": "Moules-frites", "prix_tvac": 26.50}
    with serving(produits, shop):
        receiver = kit("woocommerce", **for_woocommerce(produits, shop))
        with shop.standing_still(when, method) as reached, killed_when(receiver, reached):
            receiver.take(delivery(1, "produit.updated", {"id": 87, "prix_tvac": 24}))
        receiver.start()
        receiver.await_work()
        made = {"id": 1, "sku": "aurapos-87", "name": "Moules-frites", "regular_price": "26.50"}
        assert shop.products == {1: made}
        produits.produits["87"]["prix_tvac"] = 27
        receiver.take_and_do(delivery(2, "produit.updated", {"id": 87, "prix_tvac": 27}))
        assert shop.products == {1: made | {"regular_price": "27.00"}}


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_in_the_middle_a_product_is_in_the_shopify_shop_once(kit: NewKit, when: str) -> None:
    produits, shop = Produits(), Shopify()
    produits.produits["87"] = {"id": 87, "nom": "Moules-frites", "prix_tvac": 26.50}
    with serving(produits, shop):
        receiver = kit("shopify", **for_shopify(produits, shop))
        with shop.standing_still(when, "POST") as reached, killed_when(receiver, reached):
            receiver.take(delivery(1, "produit.updated", {"id": 87}))
        receiver.start()
        receiver.await_work()
        produits.produits["87"]["prix_tvac"] = 27
        receiver.take_and_do(delivery(2, "produit.updated", {"id": 87}))
        assert shop.products == {"aurapos-87": ("Moules-frites", "27.00")}
        assert shop.created == 1


def test_what_shopify_throttles_comes_again_and_what_it_refuses_does_not(kit: NewKit) -> None:
    """Both are told in a 200, as GraphQL does."""
    produits, shop = Produits(), Shopify()
    produits.produits["87"] = {"id": 87, "nom": "Moules-frites", "prix_tvac": 26.50}
    produits.produits["88"] = {"id": 88, "nom": "", "prix_tvac": 1}
    with serving(produits, shop):
        shop.failing = (200, shop.THROTTLED)
        receiver = kit("shopify", **for_shopify(produits, shop))
        receiver.take(*(delivery(n, "produit.updated", {"id": 86 + n}) for n in (1, 2)))
        wait_until(lambda: len(shop.asked) > 2)
        shop.failing = None
        receiver.await_work()
        assert set(shop.products) == {"aurapos-87"}
        assert len(receiver.names("failed")) == 1


def books_of(kit: Kit) -> dict[str, tuple[str, int, bool]]:
    """Of each ticket the day, the cents and whether it was cancelled."""
    folder = Path(kit.folder).parent / "books"
    if kit.language == "python":
        with closing(sqlite3.connect(folder / "books.db")) as books:
            rows = books.execute("SELECT numero, day, cents, cancelled FROM ticket").fetchall()
        return {numero: (day, cents, bool(cancelled)) for numero, day, cents, cancelled in rows}
    lines = [json.loads(line) for line in (folder / "books.ndjson").read_text().splitlines()]
    booked = [line["delivery_id"] for line in lines]
    assert len(booked) == len(set(booked)), "a change was booked twice"
    return {row["numero"]: (row["day"], row["cents"], row["cancelled"]) for row in lines}


def totals_of(kit: Kit) -> list[list[str]]:
    with (Path(kit.folder).parent / "books" / "daily_totals.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["day", "tickets", "total_tvac"]
    return rows


@pytest.fixture
def book_keeper(kit: NewKit, tmp_path: Path) -> Kit:
    return kit("books", BOOKS_FOLDER=str(tmp_path / "books"))


def ticket(number: int, total: float, date: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "numero": f"T{number}", "total_tvac": total, "date": date} | more


def test_the_totals_are_those_of_the_shop_s_own_days(book_keeper: Kit) -> None:
    book_keeper.take_and_do(
        delivery(1, "ticket.created", ticket(1, 55.10, "2026-05-17T14:32:08.123Z")),
        delivery(2, "ticket.created", ticket(2, 0.20, "2026-05-17T22:10:00Z")),
        delivery(3, "ticket.created", ticket(3, 12, "2026-05-17T23:59:00")),
        delivery(4, "ticket.created", ticket(4, 30.07, "2026-05-17T12:00:00+02:00", numero=4)),
        delivery(5, "client.created", AMELIE),
    )
    assert totals_of(book_keeper) == [["2026-05-17", "3", "97.17"], ["2026-05-18", "1", "0.20"]]
    if book_keeper.language == "python":
        folder = book_keeper.folder.parent / "books"
        with closing(sqlite3.connect(folder / "books.db")) as books:
            totals = books.execute("SELECT * FROM daily_total").fetchall()
        assert totals == [("2026-05-17", 3, 9717), ("2026-05-18", 1, 20)]


def test_a_cancelled_ticket_counts_no_more_in_whatever_order_it_comes(book_keeper: Kit) -> None:
    at = "2026-05-17T14:00:00Z"
    book_keeper.take_and_do(
        delivery(1, "ticket.created", ticket(1, 10, at)),
        delivery(2, "ticket.created", ticket(2, 20, at)),
    )
    book_keeper.take_and_do(
        delivery(3, "ticket.cancelled", ticket(1, 10, at)),
        delivery(5, "ticket.cancelled", ticket(4, 40, at)),
    )
    book_keeper.take_and_do(delivery(4, "ticket.created", ticket(4, 40, at)))
    assert totals_of(book_keeper) == [["2026-05-17", "1", "20.00"]]


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_again_and_again_each_ticket_is_booked_once(book_keeper: Kit, seed: int) -> None:
    """It is sent what it has not accepted, as AuraPOS does, and some of the rest once more."""
    chance = random.Random(seed)  # noqa: S311 - a test's choices
    at = "2026-05-17T14:00:00Z"
    bodies = [delivery(n, "ticket.created", ticket(n, n, at)) for n in range(1, 31)]
    waiting = list(bodies)
    for _ in range(6):
        killer = threading.Timer(chance.uniform(0, 0.15), book_keeper.kill)
        killer.start()
        for body in list(waiting):
            if book_keeper.post(body) == 200 and chance.random() < 0.5:
                waiting.remove(body)
        killer.join()
        book_keeper.start()
    book_keeper.take_and_do(*waiting)
    assert books_of(book_keeper) == {f"T{n}": ("2026-05-17", 100 * n, False) for n in range(1, 31)}
    assert totals_of(book_keeper) == [["2026-05-17", "30", "465.00"]]


def test_killed_between_booking_and_noting_it_is_booked_once(book_keeper: Kit) -> None:
    book_keeper.take_and_do(delivery(1, "ticket.created", ticket(1, 10, "2026-05-17T14:00:00Z")))
    before = books_of(book_keeper)
    book_keeper.kill()
    [name] = book_keeper.names("done")
    done = book_keeper.folder / "done" / f"{name}.json"
    done.rename(book_keeper.folder / "inbox" / done.name)
    book_keeper.start()
    book_keeper.await_work()
    assert books_of(book_keeper) == before
    assert totals_of(book_keeper) == [["2026-05-17", "1", "10.00"]]


@pytest.mark.parametrize("kit", LANGUAGES[1:], indirect=True)
def test_a_line_that_a_crash_cut_short_is_written_anew(book_keeper: Kit) -> None:
    """Python's books are SQLite's, which sees to it."""
    at = "2026-05-17T14:00:00Z"
    book_keeper.take_and_do(delivery(1, "ticket.created", ticket(1, 10, at)))
    book_keeper.kill()
    with (book_keeper.folder.parent / "books" / "books.ndjson").open("a") as books:
        books.write('{"numero":"T2","day":"é')
    book_keeper.start()
    book_keeper.take_and_do(delivery(2, "ticket.created", ticket(2, 20, at)))
    assert totals_of(book_keeper) == [["2026-05-17", "2", "30.00"]]
    assert set(books_of(book_keeper)) == {"T1", "T2"}


def test_the_weekly_bridge_books_what_never_arrived_and_nothing_twice(book_keeper: Kit) -> None:
    at = "2026-05-17T14:00:00Z"
    arrived, lost, late = (delivery(n, "ticket.created", ticket(n, 10 * n, at)) for n in (1, 2, 3))
    book_keeper.take_and_do(arrived)
    lines = b"".join(export_line(body) for body in (arrived, lost, late))
    for _ in range(2):
        assert book_keeper.bridge(lines).returncode == 0
        book_keeper.await_work()
    book_keeper.take_and_do(late)
    assert totals_of(book_keeper) == [["2026-05-17", "3", "60.00"]]


def test_an_export_that_was_cut_short_fails_and_keeps_what_came(book_keeper: Kit) -> None:
    at = "2026-05-17T14:00:00Z"
    lines = [export_line(delivery(n, "ticket.created", ticket(n, 10, at))) for n in (1, 2)]
    assert book_keeper.bridge(lines[0] + lines[1][:40]).returncode != 0
    book_keeper.await_work()
    assert set(books_of(book_keeper)) == {"T1"}


def export_line(body: bytes) -> bytes:
    """The delivery as `events export --undelivered` writes it."""
    fields = json.loads(body)
    uuid = fields.pop("delivery_id")
    line = {"cursor": "1", **fields, "delivery_id": uuid, "status": "abandoned"}
    return json.dumps(line).encode() + b"\n"
