"""The testing kit does what docs/testing.md says."""
