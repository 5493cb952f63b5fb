"""Quotas: what one user may have, and do in a time, so that none takes the share of the others."""
