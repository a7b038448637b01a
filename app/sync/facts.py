"""What this room writes in the journal: the published contract, in the manner of the room problems.

These facts are about no problem: their subject is made from the code of the kelurahan.
"""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID, uuid5

from app.journal.facts import Fact
from app.problems.facts import FactKind

FACTS: Final[Mapping[str, FactKind]] = {
    "fell_silent": FactKind("Tidak terdengar", frozenset({"last_contact_at", "waiting"})),
    "heard_again": FactKind("Terdengar kembali", frozenset({"last_contact_at", "waiting"})),
}

_NAMES: Final = UUID("0191f6a2-6c1e-7d40-9a55-3b1f0c8e2d71")
"""The name space of these subjects; no client may choose an id of this version."""


def subject_of(name: str) -> UUID:
    """What facts are about where that is no problem: a kelurahan, by its code, or an operation that came to nothing."""
    return uuid5(_NAMES, name)


def fact(kind: str, /, **data: Any) -> Fact:
    """A fact of this room; never one that the contract does not know."""
    known = FACTS[kind]
    unknown = data.keys() - known.data
    if unknown:
        raise LookupError(f"the fact {kind} has no {', '.join(sorted(unknown))}")
    return Fact(kind, data, version=known.version)
