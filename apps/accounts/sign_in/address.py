"""New addresses of users, which count once a link in a mail to them was opened.

Links for new passwords and reports go to the address, so it must be the user's own.
"""

from typing import Any

from django.conf import settings
from django.core import signing
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse

from apps.accounts.models import User
from apps.accounts.sign_in import throttling
from apps.core import mail as core_mail

SALT = "apps.accounts.sign_in.address"


def ask(request: Any, *, email: str) -> None:
    """Note the address that a user asks for.

    Raises:
      TooManyAttemptsError: The user, or others for this address, asked too often.
    """
    throttling.count(throttling.mail_counters(request, email=email))
    User.objects.filter(pk=request.user.pk).update(new_email=email)


def mail_link(user_id: int, *, origin: str) -> bool:
    """Mail a link to the address that a user asked for. Return whether the server took the mail.

    Parameters:
      origin: Scheme and host of the site.
    Raises:
      MailRefusedError: The mail server refused it for good.
      OSError: The mail server did not take it; try again later.
    """
    user = User.objects.filter(pk=user_id, is_active=True).exclude(new_email="").first()
    if user is None:
        return False
    token = signing.dumps([user.pk, user.new_email], salt=SALT)
    text = render_to_string(
        "accounts/address_mail.txt",
        {
            "username": user.get_username(),
            "link": origin + reverse("pages:address", args=[token]),
            "hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
        },
    )
    return core_mail.send(EmailMessage("Your address for aiWriting", text, to=[user.new_email]))


def is_ours(token: str) -> bool:
    """Return whether the token of a link was made here, and lately."""
    return bool(_read(token))


def confirm(user: User, token: str) -> bool:
    """Use the address of a link. Return whether it is the user's: the one that was asked for, or in use already."""
    user_id, email = _read(token) or (0, "")
    asked_for = User.objects.filter(pk=user.pk, new_email=email)
    return user_id == user.pk and (bool(asked_for.update(email=email, new_email="")) or user.email == email)


def _read(token: str) -> Any:
    """Return the user's id and the address in a token. None: it was not made here, or too long ago."""
    try:
        return signing.loads(token, salt=SALT, max_age=settings.PASSWORD_RESET_TIMEOUT)
    except signing.BadSignature:
        return None
