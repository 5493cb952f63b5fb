"""Two-step sign-in: a code of an authenticator app, or a recovery code."""
