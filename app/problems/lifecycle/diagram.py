"""The two tables of steps as Mermaid diagrams, so that a picture of them is never drawn by hand."""

from collections.abc import Iterable, Iterator

from app.problems.lifecycle.steps import PART_STEPS, STEPS
from app.problems.words import ENDED, State


def problem_diagram() -> str:
    """The life of a problem. Verbs that move nothing are left out."""
    return _diagram(_problem_arrows(), (state.value for state in ENDED))


def assignment_diagram() -> str:
    """The life of an agency's part."""
    return _diagram(_part_arrows(), ("done", "refused", "revoked"))


def _problem_arrows() -> Iterator[tuple[str, str, str]]:
    for state in (State.SUBMITTED, State.FORWARDED, State.HANDLED_LOCALLY):
        yield "[*]", state.value, "report"
    for verb, step in STEPS.items():
        for source in sorted(step.sources):
            for target in sorted(step.targets(source)):
                yield source.value, target.value, verb.value


def _part_arrows() -> Iterator[tuple[str, str, str]]:
    yield "[*]", "offered", "assign"
    for verb, step in PART_STEPS.items():
        for source in sorted(step.sources):
            if step.to is not None:
                yield source.value, step.to.value, verb.value
    yield "done", "in_progress", "dispute, reopen"


def _diagram(arrows: Iterable[tuple[str, str, str]], ends: Iterable[str]) -> str:
    """Arrows between the same two states share one line."""
    verbs: dict[tuple[str, str], list[str]] = {}
    for source, target, verb in arrows:
        verbs.setdefault((source, target), []).append(verb)
    lines = [f"    {source} --> {target}: {', '.join(named)}" for (source, target), named in verbs.items()]
    return "\n".join(["stateDiagram-v2", *lines, *(f"    {end} --> [*]" for end in sorted(ends))])
