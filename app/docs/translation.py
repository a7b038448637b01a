"""The document in another language: English stands in the code, its translation in a `.po` file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po

_TOLD = ("summary", "description")
_DATA = frozenset({"example", "examples", "value", "default", "const", "x-labels"})


class Catalogue:
    """Translations by their English original; called with a text, gives its translation, or else the text itself."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def __call__(self, text: str) -> str:
        return self.texts.get(text) or text


def read_catalogue(file: Path) -> Catalogue:
    """The translations of a `.po` file."""
    with file.open("rb") as opened:
        return Catalogue({str(each.id): str(each.string) for each in read_po(opened) if each.id and each.string})


def retold(node: Any, tell: Callable[[str], str]) -> Any:
    """A copy of a document, each paragraph of its texts as `tell` tells it; examples stay as they are."""
    if isinstance(node, list):
        return [retold(each, tell) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: _retold_member(key, each, tell) for key, each in node.items()}


def _retold_member(key: str, node: Any, tell: Callable[[str], str]) -> Any:
    if key in _TOLD and isinstance(node, str):
        return "\n\n".join(tell(paragraph) for paragraph in node.split("\n\n"))
    is_named = key == "examples" and isinstance(node, dict)  # a map of examples, each with a summary of its own
    return node if key in _DATA and not is_named else retold(node, tell)
