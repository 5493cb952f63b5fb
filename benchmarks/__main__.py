"""`python -m benchmarks [NAME ...] [--quick] [--json]`."""

import argparse
import json
import signal
import sys
from dataclasses import asdict
from importlib import import_module

from benchmarks.rig.figures import Figure
from benchmarks.rig.rig import Rig
from benchmarks.rig.table import table

#: In the order of the run. Benchmarks that only send come first, before any workers run.
NAMES = (
    "send",
    "admission",
    "consume",
    "limited",
    "log_lines",
    "isolate",
    "progress",
    "pickup",
    "tasks_api",
    "cancel",
    "volume",
    "scale",
    "retention",
    "backlog",
    "idle",
    "viewers",
    "schedules",
    "rescue",
    "fairness",
    "attack",
    "manuscripts",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(NAMES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="measure very little, only to see that everything works")
    parser.add_argument("--rows", type=int, help="number of finished rows of `retention`, `scale` and `volume`")
    parser.add_argument("--json", action="store_true", help="write an object a line, instead of a table")
    options = parser.parse_args()
    for name in options.names:
        if name not in NAMES:
            parser.error(f"unknown benchmark {name!r}, must be one of: {', '.join(NAMES)}")
    # Also tidy up if a program such as `timeout` ends the run.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found: list[Figure] = []
    try:
        with Rig(is_quick=options.quick, rows=options.rows) as rig:
            for name in NAMES:
                if not options.names or name in options.names:
                    new = import_module(f"benchmarks.{name}").run(rig)
                    found += new
                    if options.json:
                        for figure in new:
                            print(json.dumps(asdict(figure)), flush=True)
    except KeyboardInterrupt:
        print("interrupted: the figures so far follow", file=sys.stderr)
        return 130
    finally:
        if found and not options.json:
            print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
