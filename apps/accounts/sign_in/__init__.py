"""Signing in: limits of attempts, bounded hashing, and passwords that are reset by mail."""
