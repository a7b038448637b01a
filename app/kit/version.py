"""Which version of the app this is."""

import tomllib
from importlib import metadata
from pathlib import Path


def app_version() -> str:
    """Of the installed package, or of the checkout."""
    try:
        return metadata.version("ujung-tombak")
    except metadata.PackageNotFoundError:
        project = Path(__file__).parents[2] / "pyproject.toml"
        return str(tomllib.loads(project.read_text())["project"]["version"]) if project.exists() else "unknown"
