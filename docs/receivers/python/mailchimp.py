"""Each customer as a member of a Mailchimp audience: added if new there, else brought up to date.

MAILCHIMP_API_KEY ends in its data centre (…-us6), MAILCHIMP_LIST_ID is the audience's id.
Mailchimp knows a member by the MD5 of the address in small letters and answers 200 either way:
https://mailchimp.com/developer/marketing/api/list-members/add-or-update-list-member/
A new one is `pending`: Mailchimp asks by mail whether they want to be written to.
"""

import base64
import hashlib
import os

EVERY_EVENT = False  # of each customer the newest change is enough


def handle(delivery, call):
    client = delivery["payload"]
    if not delivery["event"].startswith("client.") or not client.get("email"):
        return
    key, list_id = os.environ["MAILCHIMP_API_KEY"], os.environ["MAILCHIMP_LIST_ID"]
    centre = key.rpartition("-")[2]
    api = os.environ.get("MAILCHIMP_URL", f"https://{centre}.api.mailchimp.com")
    member = hashlib.md5(client["email"].lower().encode()).hexdigest()
    call(
        "PUT",
        f"{api}/3.0/lists/{list_id}/members/{member}",
        {
            "email_address": client["email"],
            "status_if_new": "pending",
            "merge_fields": {"FNAME": client.get("prenom", ""), "LNAME": client.get("nom", "")},
        },
        {"Authorization": "Basic " + base64.b64encode(f"any:{key}".encode()).decode()},
    )
