"""The bare loop: httpx posts what it is given, over kept-alive connections, until standard input ends.

`python -m bench.webhooks_bare CORE` reads two lines for each run: what to post, as JSON; and, when it has said that it
is ready, any line to begin. It answers what the run took. It keeps no list, signs nothing and writes nothing down.

Each connection has a client of its own. One client with a pool of 64 connections looks through all of them for every
request, which costs three times as much: a peer that would flatter us.
"""

import asyncio
import gc
import json
import os
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from bench.stand import attended

TIMEOUT_SECONDS: Final = 15.0
_CONTEXT: Final = ssl.create_default_context()
"""Unused over plain HTTP; each client would make its own."""


@dataclass(frozen=True)
class Post:
    """One request."""

    id: str
    url: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Run:
    """What a run took."""

    cpu: float
    """CPU seconds of the process."""
    began: dict[str, float]
    """`time.monotonic()` when each post began, by its id."""


async def _post_all(posts: Sequence[Post], at_once: int, per_second: float | None) -> Run:
    """So many at once, each by whichever is free; at a pace, or as fast as it goes."""
    waiting, began = iter(enumerate(posts)), dict[str, float]()
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(_client()) for _ in range(at_once)]
        gc.collect()
        _say("ready")
        sys.stdin.readline()
        cpu, started = time.process_time(), time.monotonic()

        async def work(client: httpx.AsyncClient) -> None:
            for place, post in waiting:
                if per_second is not None:
                    await asyncio.sleep(started + place / per_second - time.monotonic())
                began[post.id] = time.monotonic()
                response = await client.post(post.url, content=post.body.encode(), headers=post.headers)
                response.raise_for_status()

        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(work(client))
        return Run(time.process_time() - cpu, began)


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, verify=_CONTEXT)


def _say(word: Any) -> None:
    print(json.dumps(word), flush=True)


def main() -> None:
    """Run after run, on one core where one is named."""
    if len(sys.argv) > 1:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    _say("here")
    while line := sys.stdin.readline():
        said = json.loads(line)
        posts = [Post(**each) for each in json.loads(Path(said["posts"]).read_text())]
        _say(asdict(asyncio.run(_post_all(posts, said["at_once"], said["per_second"]))))


# -- as others see it ------------------------------------------------------------------------------------------------


class BareLoop:
    """A bare loop that runs."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self.process = process.pid
        self._process = process
        self._file = folder / "posts.json"

    def post(self, posts: Sequence[Post], at_once: int, per_second: float | None = None) -> Run:
        """Posts all of these; raises where one is not answered with 2xx."""
        self._file.write_text(json.dumps([asdict(each) for each in posts]))
        said = {"posts": str(self._file), "at_once": at_once, "per_second": per_second}
        self._ask(json.dumps(said))
        return Run(**self._ask("go"))

    def _ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the bare loop has failed; its log says why")
        return json.loads(answer)


@contextmanager
def posting(folder: Path, core: int | None) -> Iterator[BareLoop]:
    """A bare loop in a process of its own, for as long as the block lasts."""
    with attended("bench.webhooks_bare", [] if core is None else [str(core)], folder, {}) as (process, _):
        yield BareLoop(process, folder)


if __name__ == "__main__":
    main()
