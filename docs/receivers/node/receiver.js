/* A receiver of AuraPOS webhooks that needs Node 18 or later and nothing else.

     AURAPOS_SECRET=whsec_… PORT=8080 node receiver.js slack   (or another handler of this folder)

   A delivery is verified, kept as a file and answered; the work is done after that, in the order in
   which things happened. Killed at any moment, it goes on where it was. In AURAPOS_FOLDER there are
     inbox/    what has arrived and is still to be done
     done/     what was done: the names are the ids that are remembered
     failed/   what was given up; move it back into inbox/ to have it tried once more
     latest/   the newest change that was seen of each customer, ticket, product …
   It listens on 127.0.0.1: put the web server that has your certificate in front of it. */

"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const readline = require("node:readline");

const SECRET = process.env.AURAPOS_SECRET || crypto.randomBytes(32); // with none nobody is believed
const FOLDER = process.env.AURAPOS_FOLDER || "aurapos";
const folders = ["inbox", "done", "failed", "latest"].map((name) => path.join(FOLDER, name));
const [INBOX, DONE, FAILED, LATEST] = folders;
const DAY = 24 * 3600 * 1000; // milliseconds
const PERMANENT = [400, 404, 409, 410, 422]; // the same request would get the same answer again

/** Whether AuraPOS sent exactly these bytes. */
function isSigned(body, signature = "") {
  const expected = "sha256=" + crypto.createHmac("sha256", SECRET).update(body).digest("hex");
  const [ours, theirs] = [Buffer.from(expected), Buffer.from(signature)];
  return ours.length === theirs.length && crypto.timingSafeEqual(ours, theirs);
}

/** Have a delivery on the disk, unless it is known. Its id is the body's, which is signed. */
function keep(body) {
  const { event, delivery_id: id, payload } = JSON.parse(body);
  if (!/^[0-9a-f-]{36}$/.test(id)) throw new SyntaxError("the delivery id is no UUID");
  if (event === "ping" || payload.sample === true) return;
  const known = [INBOX, DONE, FAILED].some((folder) => fs.existsSync(path.join(folder, `${id}.json`)));
  if (!known) write(path.join(INBOX, `${id}.json`), body);
}

/** On the disk as a whole or not at all, even if the power fails. */
function write(name, data) {
  const temporary = `${name}.${process.pid}.new`;
  fs.writeFileSync(temporary, data);
  sync(temporary);
  fs.renameSync(temporary, name);
  sync(path.dirname(name));
}

function sync(name) {
  const file = fs.openSync(name, "r");
  fs.fsyncSync(file);
  fs.closeSync(file);
}

/** Whether a newer change of the same object was seen. Ids sort in the order of publication. */
function isLate({ event, delivery_id: id, payload }) {
  const key = ["id", "numero", "reference", "code"].find((each) => payload[each] !== undefined);
  if (key === undefined) return false;
  const object = `${event.split(".")[0]} ${payload[key]}`;
  const file = path.join(LATEST, crypto.createHash("sha256").update(object).digest("hex"));
  if (fs.existsSync(file) && fs.readFileSync(file, "utf8") > id) return true;
  write(file, id);
  return false;
}

/** Do what is in the inbox, oldest first. What fails is tried for a day; what is refused once. */
async function work(handler) {
  for (const name of fs.readdirSync(INBOX).filter((each) => each.endsWith(".json")).sort()) {
    const file = path.join(INBOX, name);
    const delivery = JSON.parse(fs.readFileSync(file, "utf8"));
    try {
      const isKnown = fs.existsSync(path.join(DONE, name));
      if (!isKnown && (handler.everyEvent || !isLate(delivery))) await handler.handle(delivery, call);
      fs.renameSync(file, path.join(DONE, name));
    } catch (problem) {
      console.error(`${delivery.event} ${name}: ${problem.message}`);
      if (problem.status === 429) return; // it asked for a pause
      const isOld = Date.now() - fs.statSync(file).mtimeMs > DAY;
      if (isOld || PERMANENT.includes(problem.status)) fs.renameSync(file, path.join(FAILED, name));
    }
  }
}

/** Ask a service: what it answered, read as JSON where it is. Anything but 2xx throws. */
async function call(method, url, document, headers = {}) {
  const answer = await fetch(url, {
    method,
    headers: { "Content-Type": "application/json", ...headers },
    body: document === undefined ? undefined : JSON.stringify(document),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await answer.text();
  if (answer.ok) return /^[[{]/.test(text) ? JSON.parse(text) : text;
  const problem = new Error(`${new URL(url).host} answered ${answer.status} ${text.slice(0, 300)}`);
  throw Object.assign(problem, { status: answer.status });
}

/** Remove from a folder what is older than anything that AuraPOS still sends again. */
function forget(folder) {
  for (const file of fs.readdirSync(folder).map((name) => path.join(folder, name))) {
    if (Date.now() - fs.statSync(file).mtimeMs > 100 * DAY) fs.unlinkSync(file);
  }
}

/** The status for a request whose whole body has been read. */
function receive(body, headers) {
  if (!isSigned(body, headers["x-aurapos-signature"])) return 401;
  try {
    keep(body);
    return 200;
  } catch (problem) {
    console.error(problem.message);
    return problem instanceof SyntaxError || problem instanceof TypeError ? 400 : 500;
  }
}

async function main() {
  for (const folder of folders) fs.mkdirSync(folder, { recursive: true });
  if (process.argv[3] === "bridge") { // the lines of an export, as if they had arrived
    for await (const line of readline.createInterface({ input: process.stdin })) keep(line);
    return;
  }
  const handler = require(`./${path.basename(process.argv[2])}`);
  const wait = Number(process.env.RETRY_SECONDS || 60) * 1000;
  let isNew = false, wake = () => {};
  const server = http.createServer((request, response) => {
    if (!(Number(request.headers["content-length"]) <= 2 ** 21)) return request.destroy(); // bytes
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      response.writeHead(receive(Buffer.concat(chunks), request.headers)).end();
      isNew = true;
      wake();
    });
  });
  const told = () => console.error(`listening on port ${server.address().port}`);
  server.listen(Number(process.env.PORT || 8080), "127.0.0.1", told);
  [DONE, LATEST].forEach(forget);
  for (let timer; ; clearTimeout(timer)) {
    isNew = false;
    await work(handler);
    if (!isNew) await new Promise((resolve) => { wake = resolve; timer = setTimeout(resolve, wait); });
  }
}

main();
