"""A message in Slack for each ticket and each new customer.

SLACK_URL is the address that Slack gives you: https://hooks.slack.com/services/…
Slack answers 200 `ok`, and 400 `no_text` or `invalid_payload` to what it does not understand:
https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
It has no means to recognise a message that comes again: if this receiver is killed between Slack's
answer and its own note of it, that one message is there twice.
"""

import os

EVERY_EVENT = True  # a message tells what happened: an older one may come after a newer one


def handle(delivery, call):
    text = told(delivery["event"], delivery["payload"])
    if text:
        call("POST", os.environ["SLACK_URL"], {"text": harmless(text), "mrkdwn": False})


def told(event, payload):
    if event in {"ticket.created", "ticket.cancelled"}:
        what = "Ticket" if event == "ticket.created" else "Cancelled: ticket"
        parts = [f"{what} {payload['numero']}", f"{payload['total_tvac']:.2f} €"]
        parts += [payload["mode_paiement"]] if "mode_paiement" in payload else []
        return " · ".join(parts)
    if event == "client.created":
        return f"New customer: {payload.get('prenom', '')} {payload.get('nom', '')}"
    return None


def harmless(text):
    """What customers wrote mentions nobody and links to nothing."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
