"""Options that several subcommands have."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta

from apps.tasks import figures

MOST_ROWS = 10_000
#: Periods that end now, by their names.
PERIODS: dict[str, timedelta] = {name: period.length for name, period in figures.PERIODS.items()}


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", dest="as_json", help="write JSON, one object a line")


def add_limit(parser: ArgumentParser, *, default: int) -> None:
    parser.add_argument(
        "--limit",
        type=_limit,
        default=default,
        metavar="N",
        help=f"rows, 1 to {MOST_ROWS:,}; default: {default}",
    )


def add_period(parser: ArgumentParser) -> None:
    parser.add_argument("--last", choices=tuple(PERIODS), default="hour", help="default: %(default)s")


def add_words(parser: ArgumentParser) -> None:
    parser.add_argument("words", nargs="*", metavar="WORD", help="of a search, such as state:failed or actor:NAME")


def add_timeout(parser: ArgumentParser) -> None:
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="end with exit code 4 after this time")


def add_yes(parser: ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="change many tasks without a question")


def add_why(parser: ArgumentParser) -> None:
    parser.add_argument("--why", default="", metavar="TEXT", help="the reason, for those who ask later who did it")


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST_ROWS:
        raise ArgumentTypeError(f"{text!r} must be a whole number, 1 to {MOST_ROWS}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1e9:
        raise ArgumentTypeError(f"{text!r} must be a number of seconds, such as 90")
    return found
