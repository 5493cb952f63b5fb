"""Quotas: limits of a user's data and work, so that no user takes the share of the others."""
