"""Child processes: started, replaced, stopped, and ended with a dead supervisor."""
