"""`manage.py tasks stats`."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from apps.tasks import duration, figures
from apps.tasks.commands import options, table
from apps.tasks.commands.screen import RED, YELLOW, Screen
from apps.tasks.commands.table import Column
from apps.tasks.figures.counts import KINDS, Counts

HELP = "how many tasks were sent and ended in a time, how long they waited and ran"
COLUMNS = (
    Column(title="ACTOR"),
    Column(title="SENT", is_number=True),
    Column(title="COMPLETED", is_number=True),
    Column(title="FAILED", is_number=True, styles=lambda cell: () if cell == "0" else (RED,)),
    Column(title="RETRIED", is_number=True, styles=lambda cell: () if cell == "0" else (YELLOW,)),
    Column(title="CANCELLED", is_number=True),
    Column(title="WAIT p50", is_number=True),
    Column(title="p95", is_number=True),
    Column(title="RUN p50", is_number=True),
    Column(title="p95", is_number=True),
    Column(title="TOGETHER", is_number=True),
)
TOTAL = "all"


def add_arguments(parser: ArgumentParser) -> None:
    options.add_period(parser)
    parser.add_argument("--by", choices=("actor", "queue"), default="actor", help="default: %(default)s")
    options.add_json(parser)


def run(chosen: dict[str, Any], screen: Screen) -> None:
    series = figures.over(figures.PERIODS[chosen["last"]])
    by = chosen["by"]
    found = series.by_queue() if by == "queue" else series.by_actor()
    ordered = sorted(found.items(), key=lambda one: (-one[1].run_ms, one[0]))
    if screen.as_json:
        for name, counts in ordered:
            screen.json({by: name} | _as_json(counts))
        return
    if series.is_behind:
        screen.line("No relay counts: the last minutes may be missing. Start manage.py runrelay.")
    if not ordered:
        screen.line(f"Nothing was sent and nothing ended in the last {chosen['last']}.")
        return
    columns = (Column(title=by.upper()), *COLUMNS[1:])
    table.write(screen, columns, [_row(name, counts) for name, counts in [*ordered, (TOTAL, series.total)]])


def _row(name: str, counts: Counts) -> tuple[str, ...]:
    numbers = (counts.sent, counts.completed, counts.failed, counts.retried, counts.cancelled)
    times = (
        counts.wait_quantile(0.5), counts.wait_quantile(0.95), counts.run_quantile(0.5), counts.run_quantile(0.95)
    )  # fmt: skip
    return (name, *(f"{number:,}" for number in numbers), *map(_seconds, times), _seconds(counts.run_ms / 1000))


def _as_json(counts: Counts) -> dict[str, Any]:
    return {kind: getattr(counts, kind) for kind in KINDS} | {
        "wait_p50_s": counts.wait_quantile(0.5),
        "wait_p95_s": counts.wait_quantile(0.95),
        "run_p50_s": counts.run_quantile(0.5),
        "run_p95_s": counts.run_quantile(0.95),
        "run_s": counts.run_ms / 1000,
    }


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else duration.in_words(timedelta(seconds=seconds))
