"""Fixtures of the testing kit: docs/testing.md."""

pytest_plugins = ["workers.testing.pytest_plugin"]
