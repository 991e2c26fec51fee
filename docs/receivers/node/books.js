/* Each ticket in the books once, and the totals of each day for a dashboard.

   In BOOKS_FOLDER there are books.ndjson, a line for each change of a ticket, of which the last one
   counts, and daily_totals.csv. A day is the shop's own: SHOP_TIMEZONE. What could not be delivered
   during the week is fetched once a week, and booked once too:

     ssh aurapos@till export --since 8d --undelivered 3 | node receiver.js books bridge */

"use strict";
const fs = require("node:fs");
const path = require("node:path");

const FOLDER = process.env.BOOKS_FOLDER || "books";
const BOOKS = path.join(FOLDER, "books.ndjson");
const TOTALS = path.join(FOLDER, "daily_totals.csv");
const timeZone = process.env.SHOP_TIMEZONE || "Europe/Brussels";

exports.everyEvent = false; // of each ticket the newest change says whether it counts

exports.handle = async (delivery) => {
  if (!delivery.event.startsWith("ticket.")) return;
  const row = rowOf(delivery);
  const books = tickets ?? opened();
  tickets = undefined; // they are read anew if writing fails in the middle
  const before = books.get(row.numero);
  if (before === undefined || before.delivery_id < row.delivery_id) {
    row.day = before?.day ?? row.day;
    append(row);
    books.set(row.numero, row);
  }
  tell(books);
  tickets = books;
};

let tickets; // by number, the newest row of each

/** What is booked already. A last line that was cut short was never told to anybody. */
function opened() {
  fs.mkdirSync(FOLDER, { recursive: true });
  const text = fs.existsSync(BOOKS) ? fs.readFileSync(BOOKS, "utf8") : "";
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  if (whole !== text) fs.truncateSync(BOOKS, Buffer.byteLength(whole));
  const rows = whole.split("\n").filter(Boolean).map((line) => JSON.parse(line));
  return new Map(rows.map((row) => [row.numero, row]));
}

function append(row) {
  const file = fs.openSync(BOOKS, "a");
  fs.writeSync(file, JSON.stringify(row) + "\n");
  fs.fsyncSync(file);
  fs.closeSync(file);
}

function rowOf({ event, delivery_id, created_at, payload: ticket }) {
  const cents = Math.round(Number(ticket.total_tvac) * 100);
  if (!Number.isFinite(cents)) throw new Error(`ticket ${ticket.numero} has no total`);
  const cancelled = event === "ticket.cancelled";
  const payment = ticket.mode_paiement ?? null;
  const day = dayOf(ticket.date ?? created_at);
  return { numero: ticket.numero, day, cents, payment, cancelled, delivery_id };
}

/** A time without a zone is the shop's own. */
function dayOf(moment) {
  if (!/^\d{4}-\d\d-\d\d/.test(moment)) throw new Error(`this is no date: ${moment}`);
  if (!/(Z|[+-]\d\d:\d\d)$/.test(moment)) return moment.slice(0, 10);
  return new Intl.DateTimeFormat("en-CA", { timeZone, dateStyle: "short" }).format(new Date(moment));
}

/** The CSV is replaced as a whole: whoever reads it never sees half of it. */
function tell(books) {
  const days = new Map();
  for (const { day, cents } of [...books.values()].filter((row) => !row.cancelled)) {
    const [count, sum] = days.get(day) ?? [0, 0];
    days.set(day, [count + 1, sum + cents]);
  }
  const line = ([day, [count, sum]]) => `${day},${count},${(sum / 100).toFixed(2)}\n`;
  const lines = [...days].sort().map(line);
  fs.writeFileSync(`${TOTALS}.new`, "day,tickets,total_tvac\n" + lines.join(""));
  fs.renameSync(`${TOTALS}.new`, TOTALS);
}
