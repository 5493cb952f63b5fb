"""Subcommands of `manage.py tasks`, one file each."""

#: Exit code for invalid arguments, the same as that of argparse.
WRONG = 2
