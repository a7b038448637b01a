"""The API as it is served, but for one thing: it notes when each change was committed, in a file, a line for each fact.

A change is committed before it is answered, and what it tells an agency may arrive before the answer does. So whoever
asks cannot say when the commit was.
"""

import os
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import event

from app.assembly import assemble, create_app
from app.journal.facts import Recorded
from app.kit.house import Work
from app.kit.logs import configure_logs
from app.kit.settings import Settings

_commits = open(os.environ["BENCH_COMMITS"], "a", buffering=1)  # noqa: SIM115 - as long as the process


def note_commit(work: Work[Any], recorded: Sequence[Recorded]) -> None:
    """A subscriber of the journal; it is the first to hear of the commit, so that the moment is not late."""

    def committed(_session: object) -> None:
        at = time.monotonic()
        _commits.write("".join(f"{each.fact.kind} {each.subject} {each.version} {at!r}\n" for each in recorded))

    event.listen(work.session, "after_commit", committed, once=True, insert=True)


settings = Settings()
configure_logs(as_json=settings.log_json)
app = create_app(settings, house=assemble(settings, subscribers=(note_commit,)))
