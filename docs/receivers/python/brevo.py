"""Each customer as a contact in Brevo: made if the address is new there, else brought up to date.

BREVO_API_KEY is the account's key, BREVO_LIST_ID the number of the list they are put on.
Brevo answers 201 with an id to what is new, 204 to an update:
https://developers.brevo.com/reference/createcontact
Put on a list only those who agreed to be written to.
"""

import os

EVERY_EVENT = False  # of each customer the newest change is enough
URL = os.environ.get("BREVO_URL", "https://api.brevo.com")


def handle(delivery, call):
    client = delivery["payload"]
    if not delivery["event"].startswith("client.") or not client.get("email"):
        return
    contact = {
        "email": client["email"],
        # An account that was made in French calls these PRENOM and NOM.
        "attributes": {"FIRSTNAME": client.get("prenom", ""), "LASTNAME": client.get("nom", "")},
        "listIds": [int(os.environ["BREVO_LIST_ID"])],
        "updateEnabled": True,
    }
    call("POST", f"{URL}/v3/contacts", contact, {"api-key": os.environ["BREVO_API_KEY"]})
