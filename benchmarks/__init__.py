"""Benchmarks: one question a file, with peers in the same run. `python -m benchmarks --help`."""
