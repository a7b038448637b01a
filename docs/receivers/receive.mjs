// Takes webhooks of Ujung Tombak. Needs Node 18 or newer, and no package.
//
//     WEBHOOK_SECRET=whsec_… INBOX=/var/lib/webhook node receive.mjs 8080
//
// It checks who sent an event, writes it down, and answers; the work is done afterwards, by whatever reads the folder.
// So it is quick, and nothing is lost if the machine stops halfway. It speaks HTTP: put your web server with its
// certificate in front of it.

import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { link, mkdir, open, unlink } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

const SECRET = Buffer.from((process.env.WEBHOOK_SECRET ?? "").replace(/^whsec_/, ""), "base64");
const INBOX = process.env.INBOX ?? "inbox";
const TOLERANCE_SECONDS = 5 * 60;
const BODY_BYTES = 64 * 1024;

if (SECRET.length === 0) throw new Error("WEBHOOK_SECRET is not set, or not a secret.");

// Whether somebody who knows the secret signed exactly this, within the last five minutes. `body` is what came, byte
// for byte: never JSON that was read and written again.
function isGenuine(eventId, timestamp, signatures, body) {
  if (!/^[0-9]{1,12}$/.test(timestamp)) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  const signed = createHmac("sha256", SECRET).update(`${eventId}.${timestamp}.`).update(body).digest("base64");
  const expected = Buffer.from(`v1,${signed}`);
  // Several stand there while a secret is exchanged. timingSafeEqual takes as long for a near miss as for any other.
  return signatures
    .split(" ")
    .map((each) => Buffer.from(each))
    .some((each) => each.length === expected.length && timingSafeEqual(each, expected));
}

// Keeps the event once, under its id; false where it is here already, because it came before.
async function writeDown(eventId, body) {
  const draft = join(INBOX, `${eventId}.${randomUUID()}.draft`);
  const file = await open(draft, "wx");
  try {
    await file.writeFile(body);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(draft, join(INBOX, `${eventId}.json`)); // of two at once, one succeeds
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  } finally {
    await unlink(draft);
  }
  return true;
}

async function bodyOf(request) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > BODY_BYTES) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

async function receive(request) {
  if (request.method !== "POST") return 405;
  const body = await bodyOf(request);
  if (body === null) return 413;
  const [eventId, timestamp, signatures] = ["id", "timestamp", "signature"].map(
    (name) => request.headers[`webhook-${name}`] ?? "",
  );
  if (!/^[0-9a-f-]{36}$/.test(eventId) || !isGenuine(eventId, timestamp, signatures, body)) return 401;
  const isNew = await writeDown(eventId, body);
  console.log(eventId, isNew ? "is new" : "was here already");
  return 204;
}

await mkdir(INBOX, { recursive: true });
const server = createServer(async (request, response) => {
  try {
    response.writeHead(await receive(request)).end();
  } catch (error) {
    console.error(error.message);
    response.writeHead(500).end(); // it will be sent again
  }
});
server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
