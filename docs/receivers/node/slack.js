/* A message in Slack for each ticket and each new customer.

   SLACK_URL is the address that Slack gives you: https://hooks.slack.com/services/…
   Slack answers 200 `ok`, and 400 `no_text` or `invalid_payload` to what it does not understand:
   https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
   It has no means to recognise a message that comes again: if this receiver is killed between Slack's
   answer and its own note of it, that one message is there twice. */

"use strict";

exports.everyEvent = true; // a message tells what happened: an older one may come after a newer one

exports.handle = async ({ event, payload }, call) => {
  const text = told(event, payload);
  if (text) await call("POST", process.env.SLACK_URL, { text: harmless(text), mrkdwn: false });
};

function told(event, payload) {
  if (event === "client.created") {
    return `New customer: ${payload.prenom ?? ""} ${payload.nom ?? ""}`;
  }
  if (event !== "ticket.created" && event !== "ticket.cancelled") return "";
  const what = event === "ticket.created" ? "Ticket" : "Cancelled: ticket";
  const amount = `${Number(payload.total_tvac).toFixed(2)} €`;
  return [`${what} ${payload.numero}`, amount, payload.mode_paiement].filter(Boolean).join(" · ");
}

/** What customers wrote mentions nobody and links to nothing. */
function harmless(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
