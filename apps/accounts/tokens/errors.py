"""Errors of API tokens."""


class TokenError(Exception):
    """Base of the errors of API tokens. The message is for the user."""


class TooManyTokensError(TokenError):
    """The user has as many tokens as a user may have."""


class TokenLifetimeError(TokenError):
    """The lifetime of a token is too long or too short."""
