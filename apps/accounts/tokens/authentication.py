"""Sign a program in with its token. REST framework's settings name the class."""

from typing import Any

from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from apps.accounts.models import User
from apps.accounts.tokens import secret
from apps.accounts.tokens.model import ApiToken


class ApiTokenAuthentication(TokenAuthentication):
    """Takes the header `Authorization: Token aiw_...`.

    The scope is checked here and not by a permission class, so that no view can forget it.
    """

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        found = super().authenticate(request)
        if found and found[1].scope != ApiToken.Scope.WRITE and request.method not in SAFE_METHODS:
            raise PermissionDenied("This token may only read.")
        return found

    def authenticate_credentials(self, key: str) -> tuple[User, ApiToken]:
        token = ApiToken.objects.select_related("user").filter(digest=secret.digest(key)).first()
        if token is None:
            raise AuthenticationFailed("Invalid token.")
        if token.is_expired:
            raise AuthenticationFailed("The token has expired.")
        if not token.user.is_active:
            raise AuthenticationFailed("User inactive or deleted.")
        token.note_use()
        return token.user, token
