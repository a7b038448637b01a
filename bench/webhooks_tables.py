"""How telling agencies was measured, as tables: for a terminal, and for docs/performance.md."""

from importlib import metadata
from pathlib import Path

from rich.console import Console

from bench.rounds import Ratio
from bench.sync import POSTGRESQL, SQLITE
from bench.tables import PAGE, Drawn, put, where_and_when
from bench.webhooks import AT_ONCE, BARE, WORKER, WebhookFigures, crowded
from bench.webhooks_stand import ENDPOINTS

BEGINS, ENDS = "<!-- webhooks: begins -->", "<!-- webhooks: ends -->"
CROWDED_AIM = 2_000
"""Milliseconds from commit to arrival, at the 95th percentile."""


def draw(figures: WebhookFigures) -> list[Drawn]:
    """The tables."""
    return [_posted(figures), _heard(figures), _crowded(figures)]


def _posted(figures: WebhookFigures) -> Drawn:
    rows: list[list[str]] = []
    for endpoints, to in ((ENDPOINTS, f"{ENDPOINTS} endpoints"), (1, "one endpoint")):
        at_once = endpoints * AT_ONCE
        rows.append([f"to {to}, {at_once} at once", "bare loop", *_costs(figures, at_once, BARE), "", ""])
        for name in (POSTGRESQL, SQLITE):
            ratios = [_spread(figures.posted_ratio(at_once, name, figure)) for figure in ("cpu", "per_second")]
            rows.append(["", f"worker, {name}", *_costs(figures, at_once, name), *ratios])
    return Drawn(
        "Deliveries of one worker, as fast as it goes",
        ["what", "", "sender CPU ms", "database CPU ms", "deliveries/s", "CPU", "deliveries/s, ratio"],
        rows,
    )


def _costs(figures: WebhookFigures, at_once: int, name: str) -> list[str]:
    sender, database, per_second = (figures.posted_median(at_once, name, each) for each in _POSTED)
    has_database = name == POSTGRESQL
    return [f"{sender:.2f}", f"{database:.2f}" if has_database else "–", f"{per_second:,.0f}"]


_POSTED = ("sender", "database", "per_second")


def _heard(figures: WebhookFigures) -> Drawn:
    ours = {
        POSTGRESQL: f"{POSTGRESQL}, sent by the API's process",
        SQLITE: f"{SQLITE}, sent by the API's process",
        WORKER: f"{POSTGRESQL}, sent by a worker beside it",
    }
    rows = [["bare loop, from post to arrival", *_latencies(figures, BARE), "", ""]]
    for name, told in ours.items():
        ratios = [_spread(figures.heard_ratio(name, BARE, figure)) for figure in ("p50", "p95")]
        rows.append([told, *_latencies(figures, name), *ratios])
    return Drawn(
        f"From commit to arrival, {figures.scale.per_second} steps a second",
        ["what", "p50 ms", "p95 ms", "p50, ratio", "p95, ratio"],
        rows,
        words=1,
    )


def _crowded(figures: WebhookFigures) -> Drawn:
    rows: list[list[str]] = []
    for name in (POSTGRESQL, SQLITE):
        rows.append([name, "nothing else waits", *_latencies(figures, name), "", ""])
        met = "met" if figures.latency(crowded(name), 95) <= CROWDED_AIM else "MISSED"
        found = figures.heard_ratio(crowded(name), name, "p95")
        rows.append(
            [
                "",
                "beside the crowd",
                *_latencies(figures, crowded(name)),
                _spread(found),
                f"≤ {CROWDED_AIM:,} ms: {met}",
            ]
        )
    return Drawn(
        f"From commit to arrival, while {figures.scale.crowd:,} deliveries wait for an endpoint that never answers",
        ["database", "", "p50 ms", "p95 ms", "p95, ratio", "aim for p95"],
        rows,
    )


def _latencies(figures: WebhookFigures, name: str) -> list[str]:
    return [f"{figures.latency(name, percent):,.1f}" for percent in (50, 95)]


def _spread(found: Ratio) -> str:
    return f"{found.median:.2f}× ({found.least:.2f}–{found.most:.2f})"


def told(figures: WebhookFigures) -> str:
    """When, where and with what it was measured."""
    scale = figures.scale
    size = (
        f"httpx {metadata.version('httpx')}. {scale.rounds} rounds of {scale.posts:,} deliveries to {ENDPOINTS} "
        f"endpoints, {scale.posts_to_one:,} to one, and {scale.steps} steps"
    )
    return where_and_when(figures.stand.calm[POSTGRESQL].address, size, figures.others)


def show(figures: WebhookFigures, console: Console) -> None:
    """Prints it all."""
    console.print(told(figures))
    for drawn in draw(figures):
        drawn.show(console)


def write(figures: WebhookFigures, page: Path = PAGE) -> None:
    """Puts the tables between their markers of the page."""
    put("\n\n".join([told(figures), *(drawn.markdown() for drawn in draw(figures))]), page, BEGINS, ENDS)
