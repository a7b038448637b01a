"""What the phone shows: the server's documents, with what was done here and not told yet laid over them.

Nothing is worked out that the server decides: a step that waits is shown as waiting, and the state stays the server's.
"""

import json
from collections import defaultdict
from typing import Any

from app.client import outbox
from app.client.store import Store
from app.client.words import Problem, Tick, Waiting

_TAKEN = ("applied", "merged", "proposed")


def problems(store: Store, post: str | None) -> list[Problem]:
    """Everything this post sees, the newest first."""
    documents = {
        row["id"]: json.loads(row["body"]) for row in store.rows("SELECT id, body FROM document WHERE post = ?", post)
    }
    here: dict[str, list[Waiting]] = defaultdict(list)
    waiting, taken = set[str](), dict[str, int]()
    for row in store.rows("SELECT * FROM operation WHERE outcome IS NULL OR (shown AND outcome <> 'refused')"):
        problem = row["problem"]
        here[problem].append(outbox.read(row))
        if row["outcome"] is None:
            waiting.add(problem)
        else:
            taken[problem] = max(taken.get(problem, 0), row["version"] or 0)
    reach = {row["log"]: row for row in store.rows("SELECT * FROM receipt WHERE post = ?", post)}

    def tick(problem: str, document: dict[str, Any] | None) -> Tick:
        if problem in waiting:
            return Tick.RECORDED
        if document is None or taken.get(problem, 0) > document["version"] or document["area"] not in reach:
            return Tick.RECEIVED
        receipt = reach[document["area"]]
        if document["position"] <= receipt["acknowledged"]:
            return Tick.ACKNOWLEDGED
        if document["position"] <= receipt["delivered"] or problem in json.loads(receipt["read"]):
            return Tick.DELIVERED
        return Tick.RECEIVED

    shown = []

    def since(problem: str) -> str:
        document = documents.get(problem)
        return document["created_at"] if document else here[problem][0].recorded_at

    for problem in sorted({*documents, *here}, key=since, reverse=True):
        document, pending = documents.get(problem), tuple(here[problem])
        said = _as_reported(pending) | (document or {}) | _edited(pending)
        shown.append(
            Problem(
                id=problem,
                tick=tick(problem, document),
                document=document,
                title=said.get("title", ""),
                area=said.get("area"),
                pending=pending,
            )
        )
    return shown


def _as_reported(pending: tuple[Waiting, ...]) -> dict[str, Any]:
    return next((each.data for each in pending if each.verb == "report"), {})


def _edited(pending: tuple[Waiting, ...]) -> dict[str, Any]:
    """The title as it was last corrected here."""
    titles = [each.data["title"] for each in pending if each.verb == "edit" and each.data.get("title")]
    return {"title": titles[-1]} if titles else {}
