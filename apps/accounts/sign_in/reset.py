"""New passwords for users who forgot theirs, by a link in a mail.

The link holds a keyed digest of the user's password hash and last sign-in. So it is stored nowhere, and ends with its
first use, with any new password and with any sign-in.
"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from apps.accounts.errors import TooManyAttemptsError
from apps.accounts.models import User
from apps.accounts.sign_in import throttling
from apps.core import mail as core_mail


def users_to_mail(request: Any, *, email: str) -> list[int]:
    """Return the ids of the users who get a link. Empty: none has this address, or they had enough mails lately.

    Raises:
      TooManyAttemptsError: The client asked too often.
    """
    to_address, *by_client = throttling.mail_counters(request, email=email)
    throttling.count(by_client)
    users = [
        user
        for user in User.objects.filter(email__iexact=email, is_active=True).order_by("pk")
        if _is_same(user.email, email) and user.has_usable_password()
    ]
    try:
        throttling.count([to_address])
    except TooManyAttemptsError:
        return []
    return [user.pk for user in users]


def mail_link(user_ids: Sequence[int], *, origin: str) -> bool:
    """Mail the users of one address a link for each of their accounts. Return whether the server took the mail.

    Parameters:
      origin: Scheme and host of the site.
    Raises:
      MailRefusedError: The mail server refused it for good.
      OSError: The mail server did not take it; try again later.
    """
    users = list(User.objects.filter(pk__in=user_ids, is_active=True).exclude(email="").order_by("pk"))
    if not users:
        return False
    # Another user may have a new address since the task was sent.
    users = [user for user in users if _is_same(user.email, users[0].email)]
    text = render_to_string(
        "accounts/password_mail.txt",
        {
            "links": [(user.get_username(), _link(user, origin=origin)) for user in users],
            "hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
        },
    )
    # The stored address: another spelling may be another person's.
    return core_mail.send(EmailMessage("A new password for aiWriting", text, to=[users[0].email]))


def _is_same(email: str, other: str) -> bool:
    """Return whether two addresses differ at most in upper and lower case.

    PostgreSQL's upper case takes a dotless i for an i, so its `iexact` finds the addresses of other domains, too.
    """
    return email.lower() == other.lower()


def _link(user: User, *, origin: str) -> str:
    user_key = urlsafe_base64_encode(force_bytes(user.pk))
    return origin + reverse("pages:new-password", args=[user_key, default_token_generator.make_token(user)])
