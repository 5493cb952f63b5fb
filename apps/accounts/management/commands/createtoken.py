"""Make an API token for a user, on the command line."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.accounts.models import User
from apps.accounts.tokens.errors import TokenError
from apps.accounts.tokens.issuing import issue
from apps.accounts.tokens.model import ApiToken


class Command(BaseCommand):
    help = "Make an API token for a user and print it. It is shown only now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="Command line", help="name in the list of tokens; default: %(default)s")
        parser.add_argument("--read-only", action="store_true", help="the token may only read")
        parser.add_argument("--days", type=int, help="lifetime; default: API_TOKEN_DAYS")

    def handle(self, *args: Any, username: str, name: str, read_only: bool, days: int | None, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username!r}.")
        if not user.is_active:
            raise CommandError(f"The user {username!r} may not sign in.")
        scope = ApiToken.Scope.READ if read_only else ApiToken.Scope.WRITE
        try:
            _, secret = issue(user, name=name, scope=scope, days=days)
        except TokenError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(secret)
