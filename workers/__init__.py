"""Everything that moves a message: from a send to a worker thread, and back after a death."""
