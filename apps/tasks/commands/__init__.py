"""Subcommands of `manage.py tasks`, one file each.

Each has HELP, `add_arguments(parser)` and `run(options, screen)`, which returns the exit code. None is `DONE`.
"""

#: Exit codes.
DONE = 0
#: A task failed, a check found trouble, or the command could not do what it was asked for.
FAILED = 1
#: Exit code for invalid arguments, the same as that of argparse.
WRONG = 2
CANCELLED = 3
#: The time of `--timeout` passed.
TIMED_OUT = 4
#: Ctrl-C, as a shell says it.
INTERRUPTED = 130

EXIT_CODES = {
    DONE: "done; for follow and wait: every task completed",
    FAILED: "a task failed, is gone or is left as it is; why and doctor: something has to be done",
    WRONG: "wrong arguments, or an unknown task; nothing was changed",
    CANCELLED: "follow and wait: a task was cancelled, and none failed",
    TIMED_OUT: "follow and wait: the time of --timeout passed",
    INTERRUPTED: "interrupted by Ctrl-C",
}
