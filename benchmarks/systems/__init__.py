"""The systems: the code of each one's workers and sender, set up as its own documentation says."""
