"""Other people's middleware and tests for Dramatiq, on this broker."""
