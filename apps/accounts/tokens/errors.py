"""Errors of API tokens."""


class TokenError(Exception):
    """Base of the errors of API tokens. The message is for the user."""


class TooManyTokensError(TokenError):
    """The user has as many tokens as a user may have."""


class TokenNameError(TokenError):
    """The name of a token is missing, too long, or cannot be shown in one line."""


class TokenLifetimeError(TokenError):
    """The lifetime of a token is too long or too short."""
