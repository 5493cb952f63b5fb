"""API tokens, with which programs sign in instead of a user."""
