"""Subcommands of `manage.py tasks`, one file each."""
