"""The page of the queues: what waits in each, what goes in and out, who serves it, and whether it is paused."""
