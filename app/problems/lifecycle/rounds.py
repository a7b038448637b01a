"""What the system itself does when a limit has passed: the same facts as people make, marked automatic."""

from app.journal.facts import Fact
from app.problems.facts import fact
from app.problems.lifecycle.context import Context
from app.problems.lifecycle.record import Problem
from app.problems.lifecycle.steps import decide, decide_part
from app.problems.schemas.parts import PartDeclineHold, PartResume
from app.problems.schemas.steps import Confirm, Resume, Unmark
from app.problems.words import ENDED, AssignmentState, Closing, Overlay, State

HOLD_ANSWER_WORKING_DAYS = 3


def confirm_unanswered(problem: Problem, context: Context) -> list[Fact]:
    """Nobody confirmed or disputed in time: it counts as confirmed."""
    if problem.state is not State.AWAITING_CONFIRMATION or not _passed(problem, context):
        return []
    return decide(problem, Confirm(verb="confirm"), context)


def _passed(problem: Problem, context: Context) -> bool:
    return problem.desk_until is not None and problem.desk_until < context.now


def resume_reviewed(problem: Problem, context: Context) -> list[Fact]:
    """The day of review has come: work goes on, and the holder is told by the fact."""
    if problem.overlay is Overlay.ON_HOLD:
        if problem.hold_review_on is None or problem.hold_review_on > context.today:
            return []
        return decide(problem, Resume(verb="resume"), context)
    for part in problem.assignments:
        if part.state is AssignmentState.ON_HOLD and part.hold_review_on and part.hold_review_on <= context.today:
            letter = "-" if part.by_hand else None
            return decide_part(problem, part, PartResume(verb="resume", letter=letter), context)
    return []


def decline_unanswered_holds(problem: Problem, context: Context) -> list[Fact]:
    """No answer to a proposed hold within three working days is a no."""
    for part in problem.assignments:
        if part.hold_proposed_at is None:
            continue
        if context.now > context.calendar.due(part.hold_proposed_at, HOLD_ANSWER_WORKING_DAYS):
            return decide_part(problem, part, PartDeclineHold(verb="decline_hold"), context)
    return []


def follow_main(problem: Problem, context: Context) -> list[Fact]:
    """A duplicate hears how its main problem ended; it reopens where the main was withdrawn or rejected."""
    main = context.other
    if problem.closing is not Closing.DUPLICATE or main is None or main.id != problem.main_id:
        return []
    if main.state not in ENDED:
        return [fact("main_reopened")] if problem.main_outcome else []
    if problem.main_outcome:
        return []
    if main.closing is Closing.DUPLICATE and main.main_id is not None:
        return [fact("repointed", main=str(main.main_id))]
    if main.closing in (Closing.WITHDRAWN, Closing.REJECTED):
        return decide(problem, Unmark(verb="unmark"), context)
    outcome = main.closing.value if main.closing else (main.resolution or State.RESOLVED).value
    return [fact("main_ended", outcome=outcome)]
