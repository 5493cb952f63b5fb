"""Fixtures of documents."""

import pytest

from apps.documents.readers import isolated


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the processor time that a reader may take. It computes after all others, and tests keep them busy."""
    monkeypatch.setattr(isolated, "PATIENCE", 60)
