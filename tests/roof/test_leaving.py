"""Told to stop, a process is gone within 25 seconds, whatever hangs."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.deploy.serving import environment

GONE_SECONDS = 25


class Mute:
    """A database, or the network before it, that takes connections and says nothing."""

    def __init__(self, listening: socket.socket) -> None:
        self.address = f"postgresql+psycopg://ujung:rahasia@127.0.0.1:{listening.getsockname()[1]}/ujung"
        self.called = threading.Event()
        self._open: list[socket.socket] = []
        self._listening = listening

    def listen(self) -> None:
        while True:
            try:
                self._open.append(self._listening.accept()[0])
            except OSError:
                break
            self.called.set()
        for each in self._open:
            each.close()


@contextmanager
def mute() -> Iterator[Mute]:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        database = Mute(listening)
        thread = threading.Thread(target=database.listen)
        thread.start()
        try:
            yield database
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("said", ["", "?connect_timeout=600"], ids=["soon told that it is away", "never told"])
def test_a_worker_leaves_although_its_database_says_nothing(said: str, tmp_path: Path) -> None:
    with mute() as database:
        given = environment(tmp_path, {"database_url": database.address + said})
        with subprocess.Popen(
            [sys.executable, "-m", "app.worker"], stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=given
        ) as process:
            try:
                assert database.called.wait(60)
                process.send_signal(signal.SIGTERM)
                begun = time.monotonic()
                log = process.communicate(timeout=GONE_SECONDS * 2)[1]
                lasted = time.monotonic() - begun
            finally:
                process.kill()
    assert process.returncode == 0, log
    assert lasted < GONE_SECONDS
    assert ("worker stopped" in log) == (not said)
    assert ("ends amid work" in log) == bool(said)


HANGING = """
import socket, threading
import uvicorn
from fastapi import FastAPI
from app.cli import _GRACE_SECONDS, _Server, _told_to_stop

api = FastAPI()

@api.get("/")
def hang() -> None:
    print("hangs", flush=True)
    threading.Event().wait()

listening = socket.create_server(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
config = uvicorn.Config(api, timeout_graceful_shutdown=_GRACE_SECONDS)
with _told_to_stop():
    _Server(config, api).run(sockets=[listening])
"""


def test_an_api_leaves_although_a_thread_hangs(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGING], stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment(tmp_path, {})
    ) as process:
        try:
            assert process.stdout is not None
            with socket.create_connection(("127.0.0.1", int(process.stdout.readline()))) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert process.stdout.readline() == "hangs\n"
                process.send_signal(signal.SIGTERM)
                assert process.wait(GONE_SECONDS) == 0
        finally:
            process.kill()
