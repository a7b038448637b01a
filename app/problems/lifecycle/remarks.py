"""What is added without moving anything: comments, photos, links."""

from app.journal.facts import Fact
from app.problems.facts import fact
from app.problems.lifecycle.context import Context, StepNotAllowed, UnknownCode
from app.problems.lifecycle.record import Problem
from app.problems.schemas.reports import AttachIn, CommentIn
from app.problems.schemas.steps import Link
from app.problems.words import ENDED


def is_late(problem: Problem, base: int | None) -> bool:
    """Whether this comes from a device that did not know that the problem had ended."""
    return problem.state in ENDED and base is not None and base < (problem.ended_version or 0)


def comment(problem: Problem, said: CommentIn, _context: Context) -> list[Fact]:
    late = _taken_late(problem, said.base, said.verb)
    return [
        fact("commented", {"text": said.text}, comment=str(said.id), internal=said.internal or None, late=late or None)
    ]


def attach(problem: Problem, said: AttachIn, _context: Context) -> list[Fact]:
    late = _taken_late(problem, said.base, said.verb)
    return [fact("attached", photo=str(said.photo), seen_before=said.seen_before or None, late=late or None)]


def link(problem: Problem, said: Link, context: Context) -> list[Fact]:
    if context.other is None or context.other.id == problem.id:
        raise UnknownCode("Another problem is needed.", field="problem")
    late = _taken_late(problem, said.base, said.verb)
    number, kind = context.other.number, said.kind.value
    return [fact("linked", problem=str(said.problem), number=number, link=kind, late=late or None)]


def _taken_late(problem: Problem, base: int | None, verb: str) -> bool:
    if problem.state not in ENDED:
        return False
    if not is_late(problem, base):
        raise StepNotAllowed(problem, verb)
    return True
