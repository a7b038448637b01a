"""How synchronising was measured, as tables: for a terminal, and for docs/performance.md."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from bench.rounds import Ratio
from bench.sync import POSTGRESQL, SQLITE, Cost, SyncFigures, median
from bench.sync_bytes import Page
from bench.tables import PAGE, Drawn, put, where_and_when

BEGINS, ENDS = "<!-- synchronising: begins -->", "<!-- synchronising: ends -->"
PULL_AIMS = {POSTGRESQL: 3.0, SQLITE: 4.0}
NEWS_AIM, EMPTY_AIM, PUSH_AIM, REPLAY_AIM = 1.3, 2.0, 2.5, 0.4
EMPTY_STATEMENTS = 4
NEW_AIM, IN_WORK_AIM, GONE_AIM = 110, 220, 30
FIRST_AIM = 600
"""Thousands of bytes, for two thousand problems."""
_FIRST_OF = 2_000


def draw(figures: SyncFigures) -> list[Drawn]:
    """The tables."""
    return [_times(figures), _counts(figures), *_bytes(figures)]


def _times(figures: SyncFigures) -> Drawn:
    rows: list[list[str]] = []
    scale, stand = figures.scale, figures.stand
    for name, aim in PULL_AIMS.items():
        job = f"pull {scale.documents:,} documents, {name}"
        rows.append([job, "rows by the driver", *_costs(figures.series[f"driver {name}"]), "", "", ""])
        for kind, heading in (("pull", "over HTTP, gzip"), ("pull unpacked", "over HTTP")):
            rows.append(["", *_against(figures, heading, f"{kind} {name}", f"driver {name}", aim)])
    for name in PULL_AIMS:
        for kind, heading in (("reports", "reports"), ("mixed", "reports, edits, remarks")):
            rows.append(
                [
                    f"push {scale.operations} {heading}, {name}",
                    "rows by the driver",
                    *_costs(figures.series[f"insert {kind} {name}"]),
                    *[""] * 3,
                ]
            )
            rows.append(["", *_against(figures, "push", f"push {kind} {name}", f"insert {kind} {name}", PUSH_AIM)])
            again = f"replay {kind} {name}"
            rows.append(["", *_against(figures, "the same again", again, f"push {kind} {name}", REPLAY_AIM, "server")])
    for name in PULL_AIMS:
        rows.append(
            [f"pull without news, {name}", "a pack it has: 304", *_costs(figures.series[f"nothing {name}"]), *[""] * 3]
        )
        empty, nothing = f"empty pull {name}", f"nothing {name}"
        rows.append(["", *_against(figures, "pull", empty, nothing, EMPTY_AIM, "server")])
    job = f"pull {scale.news} new documents"
    rows.append([job, f"of {stand.least_problems:,} problems", *_costs(figures.series["news small"]), "", "", ""])
    much = f"of {stand.most_problems:,} problems"
    rows.append(["", *_against(figures, much, "news large", "news small", NEWS_AIM, "server")])
    return Drawn(
        f"Time, in a store of {stand.problems:,} problems where nothing else is said",
        ["job", "", "wall ms", "API CPU ms", "database CPU ms", "client CPU ms", "CPU", "wall", "aim"],
        rows,
    )


def _against(figures: SyncFigures, heading: str, ours: str, peer: str, aim: float, held: str = "cpu") -> list[str]:
    """One row: what it took, how many times its peer's, and whether that is what was aimed at."""
    pair = figures.pair(ours, peer)
    found = pair.ratio(held)
    return [
        heading,
        *_costs(figures.series[ours]),
        _spread(found),
        f"{pair.ratio('wall').median:.2f}×",
        f"≤ {aim:.1f}×: {_met(found.median <= aim)}",
    ]


def _costs(costs: list[Cost]) -> list[str]:
    digits = 0 if median(costs, "wall") >= 100 else 2
    return [f"{median(costs, name):,.{digits}f}" for name in ("wall", "api", "database", "client")]


def _spread(found: Ratio) -> str:
    return f"{found.median:.2f}× ({found.least:.2f}–{found.most:.2f})"


def _met(is_met: bool) -> str:
    return "met" if is_met else "MISSED"


def _counts(figures: SyncFigures) -> Drawn:
    found, scale = figures.statements, figures.scale
    rows = [
        ["pull without news", _counted(found["empty pull"]), f"≤ {EMPTY_STATEMENTS}"],
        [f"pull {scale.news} new documents", _counted(found["news"]), ""],
    ]
    met = [_met((found["empty pull"] or 0) <= EMPTY_STATEMENTS), ""]
    for kind in ("reports", "mixed"):
        few, many = found[f"push {kind} {scale.few_operations}"], found[f"push {kind} {scale.operations}"]
        counted = f"{_counted(few)} and {_counted(many)}"
        rows.append([f"push {kind}: {scale.few_operations} and {scale.operations} operations", counted, "equal"])
        met.append(_met(few == many))
    for row, its in zip(rows, met, strict=True):
        if its:
            row[2] += f": {'not counted' if '–' in row[1] else its}"
    return Drawn("Statements; one that is run for many rows counts once", ["job", "statements", "aim"], rows, words=1)


def _counted(count: int | None) -> str:
    return "–" if count is None else str(count)


def _bytes(figures: SyncFigures) -> Iterator[Drawn]:
    if (weighed := figures.bytes) is None:
        return
    rows = [
        _page(f"a page of {page.count} {name}", page, aim)
        for name, page, aim in (
            ("new problems", weighed.new, NEW_AIM),
            ("in work, each with an assignment and a photo", weighed.in_work, IN_WORK_AIM),
            ("`gone`", weighed.gone, GONE_AIM),
        )
    ]
    first = weighed.first
    aim = FIRST_AIM * 1000 * first.count / _FIRST_OF
    met = _met(first.sent <= aim)
    rows.append(
        [
            f"first synchronising of {first.count:,} open problems",
            f"{first.sent:,}",
            f"{first.texts:,}",
            f"{first.each:.0f}",
            f"≤ {aim / 1000:,.0f} KB: {met}",
        ]
    )
    yield Drawn(
        "Bytes on the line, gzip",
        ["what", "sent", "free text alone", "beyond it, each", "aim"],
        rows,
        words=1,
    )


def _page(name: str, page: Page, aim: int) -> list[str]:
    return [name, f"{page.sent:,}", f"{page.texts:,}", f"{page.each:.0f}", f"≤ {aim} B: {_met(page.each <= aim)}"]


def told(figures: SyncFigures) -> str:
    """When, where and with what it was measured."""
    texts = "" if figures.bytes else " Bytes were not counted: the shared data folder with citizens' texts is missing."
    scale = figures.scale
    size = f"{scale.rounds} rounds, {scale.requests} small requests in each, one client"
    return where_and_when(figures.stand.postgresql, size, figures.others) + texts


def show(figures: SyncFigures, console: Console) -> None:
    """Prints it all."""
    console.print(told(figures))
    for drawn in draw(figures):
        drawn.show(console)


def write(figures: SyncFigures, page: Path = PAGE) -> None:
    """Puts the tables between their markers of the page."""
    put("\n\n".join([told(figures), *(drawn.markdown() for drawn in draw(figures))]), page, BEGINS, ENDS)
