"""Figures of the ledger for monitoring and for autoscalers, read from the rows by one look."""
