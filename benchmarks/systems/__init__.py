"""The systems: for each the code that its workers and its sender run, set up the way its own documentation says."""
