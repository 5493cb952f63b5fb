"""Servers, systems with their senders and workers, marks and figures, for every benchmark."""
