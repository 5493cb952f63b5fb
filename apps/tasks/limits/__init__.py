"""Limits of actors: how many of their tasks run at once, how many start in a stretch of time, and whose turn it is."""
