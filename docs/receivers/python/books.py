"""Each ticket in the books once, and the totals of each day for a dashboard.

In BOOKS_FOLDER there are books.db, an SQLite database with the table `ticket` and the view
`daily_total`, and daily_totals.csv with the same totals. A day is the shop's own: SHOP_TIMEZONE.
What could not be delivered during the week is fetched once a week, and booked once too:

    ssh aurapos@till export --since 8d --undelivered 3 | python3 receiver.py books bridge
"""

import csv
import os
import sqlite3
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

EVERY_EVENT = False  # of each ticket the newest change says whether it counts
FOLDER = Path(os.environ.get("BOOKS_FOLDER", "books"))
ZONE = ZoneInfo(os.environ.get("SHOP_TIMEZONE", "Europe/Brussels"))
TABLES = """
CREATE TABLE IF NOT EXISTS ticket (
  numero TEXT PRIMARY KEY, day TEXT NOT NULL, cents INTEGER NOT NULL, payment TEXT,
  cancelled INTEGER NOT NULL, delivery_id TEXT NOT NULL);
CREATE VIEW IF NOT EXISTS daily_total AS
  SELECT day, count(*) AS tickets, sum(cents) AS cents FROM ticket
  WHERE NOT cancelled GROUP BY day ORDER BY day;
"""
BOOK = """
INSERT INTO ticket VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (numero) DO UPDATE SET
  cents = excluded.cents, payment = excluded.payment, cancelled = excluded.cancelled,
  delivery_id = excluded.delivery_id WHERE excluded.delivery_id > ticket.delivery_id
"""


def handle(delivery, call):
    if not delivery["event"].startswith("ticket."):
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(FOLDER / "books.db")) as books:
        books.executescript(TABLES)
        with books:
            books.execute(BOOK, row(delivery))
        tell(books.execute("SELECT day, tickets, cents FROM daily_total").fetchall())


def row(delivery):
    ticket = delivery["payload"]
    cents = int((Decimal(ticket["total_tvac"]) * 100).to_integral_value())
    cancelled = delivery["event"] == "ticket.cancelled"
    moment = ticket.get("date", delivery["created_at"])
    paid = ticket.get("mode_paiement")
    return ticket["numero"], day(moment), cents, paid, cancelled, delivery["delivery_id"]


def day(moment):
    """A time without a zone is the shop's own."""
    at = datetime.fromisoformat(moment)
    return (at.astimezone(ZONE) if at.tzinfo else at).date().isoformat()


def tell(totals):
    """The CSV is replaced as a whole: whoever reads it never sees half of it."""
    temporary = FOLDER / ".daily_totals.csv"
    with temporary.open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(["day", "tickets", "total_tvac"])
        lines.writerows((day, tickets, f"{cents / 100:.2f}") for day, tickets, cents in totals)
    temporary.replace(FOLDER / "daily_totals.csv")
