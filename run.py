#!/usr/bin/env python3
"""Everything from a fresh checkout, with nothing but Python and the standard library.

    python3 run.py               sets up, migrates, seeds the town of Pasuruan, and serves
    python3 run.py test [...]    sets up and runs the tests, with these arguments for pytest
    python3 run.py bench [...]   sets up and measures beside a bare route (`--quick`: two minutes; docs/performance.md)
    python3 run.py check         sets up and checks lint, types, floors, migrations and dependencies
    python3 run.py WORD ...      sets up and hands the words to the command line (`--help` lists them)

The first time takes a minute. On a Python without venv, packages go to the folder .deps.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

OLDEST = (3, 11)
HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
DEPS = HERE / ".deps"
LOCK = HERE / "requirements.lock"
TEST_LOCK = HERE / "requirements-test.lock"


def main(words: "list[str]") -> int:
    """Does what the words ask for; answers the exit code."""
    if sys.version_info < OLDEST:
        print("Ujung Tombak needs Python {}.{} or newer; this is {}.{}.".format(*OLDEST, *sys.version_info[:2]))
        print("Please run it with a newer one, such as: python3.13 run.py")
        return 2
    os.chdir(str(HERE))
    if words[:1] == ["test"]:
        return set_up(TEST_LOCK).become("-m", "pytest", *words[1:])
    if words[:1] == ["bench"]:
        return set_up(TEST_LOCK).become("-m", "bench", *words[1:])
    if words == ["check"]:
        return check(set_up(TEST_LOCK))
    return set_up(LOCK).become("-m", "app.cli", *(words or ["serve", "--demo"]))


def check(python: "Python") -> int:
    """Every check, whatever the ones before said; answers 1 if any of them failed."""
    with tempfile.TemporaryDirectory() as folder:
        database = ("-x", "url=sqlite:///" + str(Path(folder, "check.db")))
        checks = {
            "lint": ("-m", "ruff", "check", "."),
            "format": ("-m", "ruff", "format", "--check", "."),
            "types": ("-m", "mypy"),
            "floors": ("-c", "from importlinter.cli import lint_imports_command as lint; lint()"),
            "migrations run": ("-m", "alembic", *database, "upgrade", "head"),
            "migrations are complete": ("-m", "alembic", *database, "check"),
            "dependencies": ("-m", "deptry", "."),
        }
        failed = []
        for name, words in checks.items():
            say("check: " + name)
            if python.run(*words):
                failed.append(name)
    say("check: FAILED: " + ", ".join(failed) if failed else "check: all is well")
    return 1 if failed else 0


def say(text: str) -> None:
    print(text, flush=True)


class Python:
    """An interpreter that has what we need: that of the virtual environment, or this one with a folder of packages."""

    def __init__(self, program: Path, *packages: Path) -> None:
        self.program = str(program)
        self.environment = dict(os.environ, PYTHONPATH=os.pathsep.join(str(path) for path in (HERE, *packages)))

    def run(self, *words: str) -> int:
        return subprocess.call([self.program, *words], env=self.environment)

    def can(self, *words: str) -> bool:
        """Whether this works, without a word about it."""
        try:
            done = subprocess.run([self.program, *words], capture_output=True, check=False)
        except OSError:
            return False
        return done.returncode == 0

    def become(self, *words: str) -> int:
        """Runs instead of this process, so that a signal reaches whom it is meant for."""
        if os.name == "posix":
            sys.stdout.flush()
            os.execve(self.program, [self.program, *words], self.environment)
        return self.run(*words)


THIS = Python(Path(sys.executable))


def set_up(lock: Path) -> Python:
    """Installs what the lock file names, once for each content of it."""
    if shutil.which("uv") or can_make_venv():
        place = VENV
        python = Python(VENV / ("Scripts" if os.name == "nt" else "bin") / "python")
    else:
        place = DEPS
        python = Python(Path(sys.executable), DEPS)
    stamp = place / ("installed-" + lock.name)
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted and python.can("-c", ""):
        return python
    say("Setting up {}, once; this takes a minute.".format(place.name))
    install = into_folder if place == DEPS else into_venv
    if not install(python, "--require-hashes", "-r", str(lock)):
        sys.exit("Setting up failed; what the installer said stands above.")
    stamp.write_text(wanted)
    if lock == TEST_LOCK:  # it holds all of the other one, at the same versions
        (place / ("installed-" + LOCK.name)).write_text(hashlib.sha256(LOCK.read_bytes()).hexdigest())
    return python


def can_make_venv() -> bool:
    """Some systems ship Python without the parts that make a virtual environment."""
    return all(importlib.util.find_spec(part) for part in ("venv", "ensurepip"))


def into_venv(python: Python, *requirements: str) -> bool:
    """Installs into the virtual environment, which is made anew where it does not work; with uv where there is one."""
    uv = shutil.which("uv")
    if uv:
        venv = [uv, "venv", "-q", "--clear", "-p", sys.executable, str(VENV)]
        made = python.can("-c", "") or not subprocess.call(venv)
        if made and not subprocess.call([uv, "pip", "install", "-q", "-p", python.program, *requirements]):
            return True
        say("uv could not do it; trying pip.")
    if not python.can("-m", "pip", "--version") and THIS.run("-m", "venv", "--clear", str(VENV)):
        return False
    return not python.run("-m", "pip", "install", "-qq", "--disable-pip-version-check", *requirements)


def into_folder(python: Python, *requirements: str) -> bool:
    """Installs into a folder of packages, with the pip of this Python."""
    if not THIS.can("-m", "pip", "--version"):
        sys.exit("This Python has neither venv nor pip: please install python3-venv, or python3-pip, or uv.")
    return not python.run("-m", "pip", "install", "-qq", "--upgrade", "--target", str(DEPS), *requirements)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
