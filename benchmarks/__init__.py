"""Benchmarks: one question a file, peers beside us in the same run. `python -m benchmarks --help`."""
