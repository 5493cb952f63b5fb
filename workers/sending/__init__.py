"""From a send to Redis: arguments, encoding, and publication on commit."""
