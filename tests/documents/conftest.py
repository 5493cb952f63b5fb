"""What all tests of documents need."""

import pytest

from apps.documents.readers import isolated


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the processor time that a reader may take. It computes after all others, and tests keep them busy."""
    monkeypatch.setattr(isolated, "PATIENCE", 60)
