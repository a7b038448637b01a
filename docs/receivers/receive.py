"""Takes webhooks of Ujung Tombak. Needs Python 3.9 or newer, and nothing else.

    WEBHOOK_SECRET=whsec_… INBOX=/var/lib/webhook python3 receive.py 8080

It checks who sent an event, writes it down, and answers; the work is done afterwards, by whatever reads the folder. So
it is quick, and nothing is lost if the machine stops halfway. It speaks HTTP: put your web server with its certificate
in front of it.
"""

import base64
import hashlib
import hmac
import os
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SECRET = base64.b64decode(os.environ["WEBHOOK_SECRET"].removeprefix("whsec_"))
INBOX = Path(os.environ.get("INBOX", "inbox"))
TOLERANCE_SECONDS = 5 * 60
BODY_BYTES = 64 * 1024


def is_genuine(event_id: str, timestamp: str, signatures: str, body: bytes) -> bool:
    """Whether somebody who knows the secret signed exactly this, within the last five minutes.

    `body` is what came, byte for byte: never JSON that was read and written again.
    """
    if not re.fullmatch(r"[0-9]{1,12}", timestamp) or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    signed = f"{event_id}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    # Several stand there while a secret is exchanged. compare_digest takes as long for a near miss as for any other.
    return any(hmac.compare_digest(expected.encode(), each.encode()) for each in signatures.split(" "))


def write_down(event_id: str, body: bytes) -> bool:
    """Keeps the event once, under its id; False where it is here already, because it came before."""
    draft = INBOX / f"{event_id}.{time.time_ns()}.draft"
    with draft.open("xb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, INBOX / f"{event_id}.json")  # of two at once, one succeeds
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


class Receiver(BaseHTTPRequestHandler):
    timeout = 15

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not re.fullmatch(r"[0-9]{1,9}", length) or int(length) > BODY_BYTES:
            self.answer(413)
            return
        body = self.rfile.read(int(length))
        event_id, timestamp, signatures = [
            self.headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")
        ]
        if not re.fullmatch(r"[0-9a-f-]{36}", event_id) or not is_genuine(event_id, timestamp, signatures, body):
            self.answer(401)
            return
        is_new = write_down(event_id, body)
        self.log_message("%s %s", event_id, "is new" if is_new else "was here already")
        self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    INBOX.mkdir(parents=True, exist_ok=True)
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()
