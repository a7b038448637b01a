"""Reads the Dockerfile and does what its last stage says, in an empty folder instead of an image."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


class Image:
    """The last stage of the Dockerfile. Its Python is the one that runs the tests, with the packages it has."""

    def __init__(self) -> None:
        text = re.sub(r"\\\n\s*", " ", (PROJECT / "Dockerfile").read_text())
        said = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
        last = max(place for place, (word, _) in enumerate(said) if word == "FROM")
        self._said = said[last:]
        self._ignored = (PROJECT / ".dockerignore").read_text().split()

    def said(self, word: str) -> list[str]:
        """What stands behind this instruction, each time it is given."""
        return [rest for instruction, rest in self._said if instruction == word]

    @property
    def environment(self) -> dict[str, str]:
        pairs = [pair.split("=", 1) for line in self.said("ENV") for pair in shlex.split(line)]
        return {name: value for name, value in pairs if name != "PATH"}

    @property
    def health_command(self) -> list[str]:
        (line,) = self.said("HEALTHCHECK")
        return _with_this_python(json.loads(line.split(" CMD ", 1)[1]))

    def command(self, *words: str) -> list[str]:
        """What the container runs: the entry point with these words, or with those it has by itself."""
        (entry,), (usual,) = self.said("ENTRYPOINT"), self.said("CMD")
        return _with_this_python([*json.loads(entry), *(words or json.loads(usual))])

    def build(self, folder: Path) -> None:
        """Copies from the context into the folder, and runs what makes bytecode of it."""
        for line in self.said("COPY"):
            *sources, target = line.split()
            if not line.startswith("--from="):
                for source in sources:
                    self._copy(PROJECT / source, folder / target / (Path(source).name if target == "./" else ""))
        (step,) = [line for line in self.said("RUN") if line.startswith("python ")]
        subprocess.run(step.replace("python", shlex.quote(sys.executable), 1), shell=True, check=True, cwd=folder)

    def _copy(self, source: Path, target: Path) -> None:
        files = [source] if source.is_file() else [file for file in source.rglob("*") if file.is_file()]
        sent = [file for file in files if self.is_sent(file.relative_to(PROJECT))]
        assert sent, f"{source.name} is copied, and .dockerignore keeps all of it back"
        for file in sent:
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place)

    def is_sent(self, path: Path) -> bool:
        """Whether .dockerignore lets this file into the context: the last pattern that fits it, or a folder of it."""
        sent = True
        for line in self._ignored:
            pattern = line.removeprefix("!")
            if any(_fits(pattern, part) for part in (path, *path.parents)):
                sent = line.startswith("!")
        return sent


def _fits(pattern: str, path: Path) -> bool:
    regex = re.escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
    return path != Path() and re.fullmatch(regex, path.as_posix()) is not None


def _with_this_python(command: list[str]) -> list[str]:
    assert command[0] == "python"
    return [sys.executable, *command[1:]]
