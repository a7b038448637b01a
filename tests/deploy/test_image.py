"""The image, as far as it can be tried without an engine: what it holds, starts and writes, and how it stops."""

import re
import signal
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from app.kit.settings import Settings
from tests.deploy.image import PROJECT, Image
from tests.deploy.serving import PATIENCE_SECONDS, environment, serving

IMAGE = Image()
READ_ONLY = """
mount --bind "$UJUNG_DATA_DIR" "$UJUNG_DATA_DIR" && mount --bind "$TMPDIR" "$TMPDIR" &&
mount --bind . . && mount -o remount,bind,ro . && mount -o remount,bind,ro / && cd "$PWD" && exec "$@"
"""
"""As `docker run --read-only` with a volume for the data and a memory file system for what is temporary."""


class Container:
    """Runs commands in the image, each with the variables that the image sets, and a data folder of its own."""

    def __init__(self, root: Path, place: Path) -> None:
        self.root = root
        self.data, self.temporary = place / "data", place / "temporary"
        self.data.mkdir()
        self.temporary.mkdir()
        self.environment = {
            **environment(self.data, {}, project=None),
            **IMAGE.environment,
            "HOME": "/nonexistent",
            "TMPDIR": str(self.temporary),
            "UJUNG_DATA_DIR": str(self.data),
            "UJUNG_PORT": "0",
        }
        wall = ["unshare", "--mount", "--map-root-user", "sh", "-c", READ_ONLY, "sh"]
        self._wall: Sequence[str] = []
        if self._can([*wall, "true"]) and not self._can([*wall, "touch", "app/new"]):
            self._wall = wall

    @property
    def is_read_only(self) -> bool:
        """Whether this system can take the right to write from a command; else one looks for what was written."""
        return bool(self._wall)

    def command(self, *words: str) -> list[str]:
        return [*self._wall, *IMAGE.command(*words)]

    def run(self, *words: str) -> str:
        """What a command of ours says when it has ended well."""
        done = subprocess.run(
            self.command(*words), cwd=self.root, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def is_healthy(self, address: str) -> bool:
        port = {"UJUNG_PORT": address.rpartition(":")[2]}
        done = subprocess.run(
            IMAGE.health_command, cwd=self.root, env=self.environment | port, capture_output=True, check=False
        )
        return done.returncode == 0

    def _can(self, command: Sequence[str]) -> bool:
        try:
            done = subprocess.run(command, cwd=self.root, env=self.environment, capture_output=True, check=False)
        except OSError:
            return False
        return done.returncode == 0


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder, after the steps of the Dockerfile."""
    folder = tmp_path_factory.mktemp("image")
    IMAGE.build(folder)
    return folder


@pytest.fixture
def container(root: Path, tmp_path: Path) -> Container:
    return Container(root, tmp_path)


def files(root: Path) -> dict[str, int]:
    return {str(file.relative_to(root)): file.stat().st_mtime_ns for file in root.rglob("*")}


def test_it_serves_from_a_root_that_cannot_be_written_and_stops_when_told(container: Container) -> None:
    before = files(container.root)
    with serving(container.root, container.environment, container.command()) as served:
        assert container.is_healthy(served.address)
        with httpx.Client(base_url=served.address, timeout=PATIENCE_SECONDS) as client:
            assert client.get("/readyz").json() == {"status": "ok"}
            for path in ("/docs", "/docs?lang=en", "/docs/refusals", "/openapi.json"):
                page = client.get(path)
                assert page.status_code == 200, path
                for linked in re.findall(r'(?:src|href)="(/[^"?#]+)', page.text):
                    assert client.get(linked).status_code == 200, linked
            form = {"file": ("besar.jpg", bytes(2_000_000), "image/jpeg")}  # large enough to become a temporary file
            assert client.post(f"/api/v1/problems/{'0' * 32}/photos", files=form).status_code == 401
        assert served.stop() == 0
        assert not [line for line in served.lines() if line.get("level") in ("warning", "error", "critical")]
        assert not container.is_healthy(served.address)
    assert files(container.root) == before
    assert list(container.temporary.iterdir()) == []
    assert {file.name for file in container.data.iterdir()} >= {"keys", "ujung.db"}
    print(f"read-only root: {container.is_read_only}")


def test_its_other_commands_are_those_of_a_checkout(container: Container) -> None:
    before = files(container.root)
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    assert container.run("version").strip() == project["version"]
    assert "newest migration" in container.run("migrate")
    assert "Added 40 areas" in container.run("seed")
    assert "One-time password" in container.run("admin", "create", "siti", "--name", "Siti")
    command = container.command("worker")
    with subprocess.Popen(
        command, cwd=container.root, env=container.environment, stderr=subprocess.PIPE, text=True
    ) as worker:
        try:
            assert worker.stderr is not None
            assert "worker started" in worker.stderr.readline()
            worker.send_signal(signal.SIGTERM)
            said = worker.communicate(timeout=PATIENCE_SECONDS)[1]
        finally:
            worker.kill()
    assert (worker.returncode, "round failed" in said) == (0, False), said
    assert files(container.root) == before


def test_it_holds_the_app_and_nothing_else(root: Path) -> None:
    assert {file.name for file in root.iterdir()} == {"alembic.ini", "app", "migrations", "pyproject.toml"}
    for path in (
        ".env",
        ".git/config",
        "app/.env",
        "app/people/.env.local",
        "var/keys",
        "tests/town.py",
        "deploy/secrets/database_password",
    ):
        assert not IMAGE.is_sent(Path(path)), path
    assert not IMAGE.is_sent(Path("app/kit/__pycache__/clock.cpython-311.pyc"))
    assert IMAGE.is_sent(Path("requirements.lock"))


def test_nobody_in_it_is_root() -> None:
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", IMAGE.said("USER")[-1])  # as a number, which Kubernetes can check
    assert IMAGE.said("VOLUME") == [IMAGE.environment["UJUNG_DATA_DIR"]]


def test_its_variables_are_settings() -> None:
    named = {name.removeprefix("UJUNG_").lower() for name in IMAGE.environment if name.startswith("UJUNG_")}
    assert named
    assert named <= Settings.model_fields.keys()
