"""Real processes: the server as an operator starts it, and how it is stopped."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.deploy.image import PROJECT

PATIENCE_SECONDS = 60
SERVE = (sys.executable, "-m", "app.cli", "serve", "--port", "0")


@dataclass(frozen=True)
class Serving:
    """A server that runs."""

    process: subprocess.Popen[str]
    address: str
    """Where it listens, such as `http://127.0.0.1:8000`."""
    log: Path

    @property
    def place(self) -> str:
        """The same as a proxy names it: host and port."""
        return self.address.removeprefix("http://")

    def stop(self) -> int:
        """Tells it to stop; answers its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_SECONDS)

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def requests(self) -> list[tuple[str, str, int]]:
        """Method, path and status of what it was asked."""
        return [(each["method"], each["path"], each["status"]) for each in self.lines() if each["event"] == "request"]


@contextmanager
def serving(folder: Path, environment: Mapping[str, str], command: Sequence[str] = SERVE) -> Iterator[Serving]:
    """The app as a process of its own, started in the folder; it must tell where it listens."""
    log = Path(environment["UJUNG_DATA_DIR"], "serving.log")
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            told = next((found for line in process.stdout if (found := re.search(r"^Docs +(\S+)/docs$", line))), None)
            assert told, log.read_text()
            httpx.get(f"{told[1]}/healthz", timeout=PATIENCE_SECONDS).raise_for_status()
            yield Serving(process, told[1], log)
        finally:
            process.kill()


def environment(data: Path, settings: Mapping[str, str], *, project: Path | None = PROJECT) -> dict[str, str]:
    """The variables of a process whose data lie in this folder, and which finds the app in the project, if it is to."""
    others = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place and place != str(PROJECT)]
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "UJUNG_"))},
        "PYTHONPATH": os.pathsep.join([*([str(project)] if project else []), *others]),
        "UJUNG_DATA_DIR": str(data),
        "UJUNG_LOG_JSON": "true",
        **{f"UJUNG_{name.upper()}": value for name, value in settings.items()},
    }
