"""What was measured, as tables: for a terminal, and for docs/performance.md."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from bench.clients import CLIENTS
from bench.jobs import Job
from bench.rounds import Figures, Ratio, Series, ratio
from bench.stand import PROJECT, plain

PAGE = PROJECT / "docs" / "performance.md"
BEGINS, ENDS = "<!-- measured: begins -->", "<!-- measured: ends -->"
AIMS = {Job.LIST: 1.5, Job.READ: 1.5, Job.REPORT: 3.0, Job.STEP: 3.0}
NAMES = {Job.LIST: "list 50", Job.READ: "read one", Job.REPORT: "report", Job.STEP: "one step"}


@dataclass(frozen=True)
class Drawn:
    """A table's words."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 2
    """Columns from the left that hold words, not figures."""

    def show(self, console: Console) -> None:
        table = Table(*self.heads, title=self.title, title_justify="left")
        for column in table.columns[self.words :]:
            column.justify = "right"
        for row in self.rows:
            table.add_row(*row)
        console.print(table)

    def markdown(self) -> str:
        rule = [*["---"] * self.words, *("--:" for _ in self.heads[self.words :])]
        lines = [f"| {' | '.join(cells)} |" for cells in (self.heads, rule, *self.rows)]
        return "\n".join([f"**{self.title}**", "", *lines])


def draw(figures: Figures) -> list[Drawn]:
    """The tables, most important first."""
    return [_against_bare(figures), _growth(figures)]


def _against_bare(figures: Figures) -> Drawn:
    rows: list[list[str]] = []
    for job in Job:
        ours, bare = figures.ours[job], figures.bare[job]
        rows += [[NAMES[job], "ours", *_costs(ours), ""], ["", "bare", *_costs(bare), ""]]
        whole = ratio(ours, bare, "cpu")
        met = "met" if whole.median <= AIMS[job] else "MISSED"
        rows.append(
            [
                "",
                "ratio",
                f"{ratio(ours, bare, 'api').median:.2f}×",
                f"{ratio(ours, bare, 'database').median:.2f}×",
                _spread(whole),
                f"{ours.latency(50) / bare.latency(50):.2f}×",
                f"{ours.latency(99) / bare.latency(99):.2f}×",
                f"{ratio(ours, bare, 'per_second').median:.2f}×",
                "",
                f"≤ {AIMS[job]:.1f}×: {met}",
            ]
        )
    return Drawn(
        f"{figures.stand.problems:,} problems, ours and the bare route",
        ["job", "", "API CPU ms", "database CPU ms", "both ms", "p50 ms", "p99 ms", "requests/s", "statements", "aim"],
        rows,
    )


def _costs(series: Series) -> list[str]:
    return [
        f"{series.median('api'):.2f}",
        f"{series.median('database'):.2f}",
        f"{series.median('cpu'):.2f}",
        f"{series.latency(50):.1f}",
        f"{series.latency(99):.1f}",
        f"{series.median('per_second'):.0f}",
        _statements(series),
    ]


def _statements(series: Series) -> str:
    """Those that read or write, and the round trips that begin, end or reset."""
    if not series.statements:
        return "–"
    work = sorted({len(each.work) for each in series.statements})
    control = sorted({len(each.control) for each in series.statements})
    return f"{_range(work)} + {_range(control)}"


def _range(counts: Sequence[int]) -> str:
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"


def _spread(found: Ratio) -> str:
    return f"{found.median:.2f}× ({found.least:.2f}–{found.most:.2f})"


def _growth(figures: Figures) -> Drawn:
    stand = figures.stand
    rows = []
    for job in (Job.LIST, Job.READ):
        large, small = figures.ours[job], figures.small[job]
        rows.append(
            [
                NAMES[job],
                "ours",
                f"{small.median('cpu'):.2f}",
                f"{large.median('cpu'):.2f}",
                _spread(ratio(large, small, "cpu")),
                f"{ratio(large, small, 'database').median:.2f}×",
            ]
        )
    return Drawn(
        "Does cost grow with the store?",
        [
            "job",
            "",
            f"CPU ms at {stand.fewer_problems:,}",
            f"CPU ms at {stand.problems:,}",
            "ratio",
            "of it the database",
        ],
        rows,
    )


def show_statements(figures: Figures, console: Console) -> None:
    """What each job of ours asks of the database, from one request of the counting pass."""
    for job in Job:
        for each in (figures.ours[job].statements or [])[-1:]:
            console.rule(NAMES[job])
            for text in each.texts:
                console.print("- " + " ".join(text.split()), markup=False, highlight=False, soft_wrap=True)


def told(figures: Figures) -> str:
    """When, where and with what it was measured."""
    scale = figures.scale
    size = f"{scale.rounds} rounds of {scale.requests} requests a job and API, {CLIENTS} clients"
    return where_and_when(figures.stand.large, size, figures.others)


def where_and_when(address: str, size: str, others: float) -> str:
    """The day, the machine, what is installed, and how much was measured."""
    libraries = ("fastapi", "sqlmodel", "sqlalchemy", "psycopg", "asyncpg", "pydantic", "uvicorn", "uvloop")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in libraries)
    machine = f"{os.cpu_count()} cores ({_processor()}), Python {platform.python_version()}"
    database = f"PostgreSQL {_postgresql(address)}"
    busy = f"Other programs kept {max(others, 0):.1f} cores busy meanwhile"
    return f"{datetime.now(UTC):%Y-%m-%d}, {machine}, {database}, {versions}. {size}. {busy}."


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def _postgresql(address: str) -> str:
    with psycopg.connect(plain(address)) as connection:
        found = connection.execute("SELECT split_part(current_setting('server_version'), ' ', 1)").fetchone()
    return str(found[0]) if found else "?"


def write(figures: Figures, page: Path = PAGE) -> None:
    """Puts the tables between the markers of the page."""
    put("\n\n".join([told(figures), *(drawn.markdown() for drawn in draw(figures))]), page, BEGINS, ENDS)


def put(body: str, page: Path, begins: str, ends: str) -> None:
    """Puts this between these markers of the page."""
    before, _, rest = page.read_text().partition(begins)
    _, _, after = rest.partition(ends)
    page.write_text(f"{before}{begins}\n\n{body}\n\n{ends}{after}")
