"""The two tables of steps as diagrams, so that a picture of them is never drawn by hand.

Mermaid for readers of the documentation; DOT for the docs page, which shows without internet what Graphviz made of it.
"""

from collections.abc import Iterable, Iterator, Mapping

from app.problems.lifecycle.steps import PART_STEPS, STEPS
from app.problems.words import ENDED, AssignmentState, State

Arrows = Mapping[tuple[str, str], list[str]]
"""The verbs that lead from one state to another; `[*]` is where it begins."""

_BEGINNING = "[*]"
_PART_ENDS = frozenset({AssignmentState.DONE, AssignmentState.REFUSED, AssignmentState.REVOKED})


def problem_arrows() -> Arrows:
    """The life of a problem. Verbs that move nothing are left out."""
    return _gathered(_problem_arrows())


def assignment_arrows() -> Arrows:
    """The life of an agency's part."""
    return _gathered(_part_arrows())


def problem_diagram() -> str:
    """The life of a problem, in Mermaid."""
    return _mermaid(problem_arrows(), ENDED)


def assignment_diagram() -> str:
    """The life of an agency's part, in Mermaid."""
    return _mermaid(assignment_arrows(), _PART_ENDS)


def problem_drawing() -> str:
    """The life of a problem, in DOT."""
    return _dot(problem_arrows(), State, ENDED)


def assignment_drawing() -> str:
    """The life of an agency's part, in DOT."""
    return _dot(assignment_arrows(), AssignmentState, _PART_ENDS)


def _problem_arrows() -> Iterator[tuple[str, str, str]]:
    for state in (State.SUBMITTED, State.FORWARDED, State.HANDLED_LOCALLY):
        yield _BEGINNING, state.value, "report"
    for verb, step in STEPS.items():
        for source in sorted(step.sources):
            for target in sorted(step.targets(source)):
                yield source.value, target.value, verb.value


def _part_arrows() -> Iterator[tuple[str, str, str]]:
    yield _BEGINNING, "offered", "assign"
    for verb, step in PART_STEPS.items():
        for source in sorted(step.sources):
            if step.to is not None:
                yield source.value, step.to.value, verb.value
    yield "done", "in_progress", "dispute, reopen"


def _gathered(arrows: Iterable[tuple[str, str, str]]) -> Arrows:
    verbs: dict[tuple[str, str], list[str]] = {}
    for source, target, verb in arrows:
        verbs.setdefault((source, target), []).append(verb)
    return verbs


def _mermaid(arrows: Arrows, ends: Iterable[State | AssignmentState]) -> str:
    """Arrows between the same two states share one line."""
    lines = [f"    {source} --> {target}: {', '.join(named)}" for (source, target), named in arrows.items()]
    return "\n".join(["stateDiagram-v2", *lines, *(f"    {end} --> [*]" for end in sorted(ends))])


def _dot(
    arrows: Arrows, states: Iterable[State] | Iterable[AssignmentState], ends: Iterable[State | AssignmentState]
) -> str:
    """Each state with its label and its code, from left to right as life goes; a double line where it can end."""
    order = [_BEGINNING, *(state.value for state in states)]
    nodes = [
        f'    {state.value} [label="{state.label}\\n{state.value}", peripheries={2 if state in ends else 1}]'
        for state in states
    ]
    edges = [
        f'    "{source}" -> {target} [label="{_stacked(named)}"'
        + (", style=dashed, constraint=false]" if order.index(source) > order.index(target) else "]")
        for (source, target), named in arrows.items()
    ]
    return "\n".join(
        [
            "digraph {",
            '    graph [rankdir=LR, bgcolor="white", pad=0.2, nodesep=0.3, ranksep=0.5]',
            '    node [shape=box, style="rounded,filled", fillcolor="#eef4fb", color="#38618c", fontname="sans-serif"]',
            '    edge [color="#5f6c7b", fontname="sans-serif", fontsize=10, fontcolor="#33404d"]',
            f'    "{_BEGINNING}" [shape=point, width=0.15, label=""]',
            *nodes,
            *edges,
            "}",
        ]
    )


def _stacked(verbs: Iterable[str]) -> str:
    """Verbs of one arrow, one under the other."""
    return "\\n".join(verbs)
