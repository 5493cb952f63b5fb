"""A token for name and password, through the API."""

from typing import Any

from rest_framework import serializers
from rest_framework.authtoken.serializers import AuthTokenSerializer
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.tokens.errors import TokenError
from apps.accounts.tokens.issuing import issue
from apps.accounts.tokens.model import ApiToken
from apps.core.api.body import LimitedBody

DEFAULT_NAME = "Program with name and password"


class NewTokenSerializer(AuthTokenSerializer):
    """Name and password, and what the token shall be like."""

    name = serializers.CharField(max_length=ApiToken._meta.get_field("name").max_length, default=DEFAULT_NAME)
    scope = serializers.ChoiceField(choices=ApiToken.Scope.choices, default=ApiToken.Scope.WRITE)
    days = serializers.IntegerField(default=None, min_value=1)


class TokenView(LimitedBody):
    """Takes name and password and answers with a new token, for the header `Authorization: Token ...`."""

    http_method_names = ["post"]
    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Request) -> Response:
        asked = NewTokenSerializer(data=request.data, context={"request": request})
        asked.is_valid(raise_exception=True)
        values: dict[str, Any] = asked.validated_data
        try:
            token, secret = issue(
                values["user"],
                name=values["name"],
                scope=values["scope"],
                days=values["days"],
                is_from_password=True,
            )
        except TokenError as error:
            raise ValidationError({"detail": str(error)}) from None
        answer = {"token": secret, "name": token.name, "scope": token.scope, "expires_at": token.expires_at}
        return Response(answer)
