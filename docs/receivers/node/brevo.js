/* Each customer as a contact in Brevo: made if the address is new there, else brought up to date.

   BREVO_API_KEY is the account's key, BREVO_LIST_ID the number of the list they are put on.
   Brevo answers 201 with an id to what is new, 204 to an update:
   https://developers.brevo.com/reference/createcontact
   Put on a list only those who agreed to be written to. */

"use strict";

exports.everyEvent = false; // of each customer the newest change is enough

exports.handle = async ({ event, payload: client }, call) => {
  if (!event.startsWith("client.") || !client.email) return;
  const contact = {
    email: client.email,
    // An account that was made in French calls these PRENOM and NOM.
    attributes: { FIRSTNAME: client.prenom ?? "", LASTNAME: client.nom ?? "" },
    listIds: [Number(process.env.BREVO_LIST_ID)],
    updateEnabled: true,
  };
  const url = process.env.BREVO_URL || "https://api.brevo.com";
  await call("POST", `${url}/v3/contacts`, contact, { "api-key": process.env.BREVO_API_KEY });
};
