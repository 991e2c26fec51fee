/* Each customer as a member of a Mailchimp audience: added if new there, else brought up to date.

   MAILCHIMP_API_KEY ends in its data centre (…-us6), MAILCHIMP_LIST_ID is the audience's id.
   Mailchimp knows a member by the MD5 of the address in small letters and answers 200 either way:
   https://mailchimp.com/developer/marketing/api/list-members/add-or-update-list-member/
   A new one is `pending`: Mailchimp asks by mail whether they want to be written to. */

"use strict";
const crypto = require("node:crypto");

exports.everyEvent = false; // of each customer the newest change is enough

exports.handle = async ({ event, payload: client }, call) => {
  if (!event.startsWith("client.") || !client.email) return;
  const { MAILCHIMP_API_KEY: key, MAILCHIMP_LIST_ID: list } = process.env;
  const centre = key.split("-").at(-1);
  const api = process.env.MAILCHIMP_URL || `https://${centre}.api.mailchimp.com`;
  const member = crypto.createHash("md5").update(client.email.toLowerCase()).digest("hex");
  const document = {
    email_address: client.email,
    status_if_new: "pending",
    merge_fields: { FNAME: client.prenom ?? "", LNAME: client.nom ?? "" },
  };
  const login = Buffer.from(`any:${key}`).toString("base64");
  const headers = { Authorization: `Basic ${login}` };
  await call("PUT", `${api}/3.0/lists/${list}/members/${member}`, document, headers);
};
