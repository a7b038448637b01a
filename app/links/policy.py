"""Who gives links, and what a link lets do."""

from typing import Final

from app.links.models import AssignmentLink
from app.people.actors import Actor, system_actor
from app.people.words import KeyVerb
from app.problems import policy
from app.problems.words import AssignmentVerb

give: Final = policy.MAY_PART[AssignmentVerb.REVOKE] | policy.MAY_PART[AssignmentVerb.REFUSE]
"""Who may take the part back, or turn it down for the agency: the assigner's office, and the agency's own head.

So nobody gives more through a link than they could do, or undo, themselves.
"""

_VERBS: Final = frozenset(
    {
        KeyVerb.ACCEPT,
        KeyVerb.START,
        KeyVerb.PROGRESS,
        KeyVerb.RESUME,
        KeyVerb.FINISH,
        KeyVerb.REFUSE,
        KeyVerb.COMMENT,
        KeyVerb.ATTACH,
    }
)


def actor_of(link: AssignmentLink) -> Actor:
    """Whoever holds the link: nobody by name, on its one assignment only."""
    name = f"Petugas {link.agency_code} (tautan)"
    return system_actor(link.id, name, link.agency_code, _VERBS, part_id=link.assignment_id)
