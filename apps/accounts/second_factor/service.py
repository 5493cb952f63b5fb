"""Two-step sign-in: set up, asked for, and removed.

The codes of an app are django-otp's TOTP devices. A user has one device, and recovery codes for its loss.
"""

import hashlib
import logging
import secrets
from typing import Any

from django.conf import settings
from django.db import transaction
from django_otp import verify_token
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.accounts.errors import SecondFactorNeededError
from apps.accounts.second_factor.model import RecoveryCode
from apps.accounts.sign_in import throttling

logger = logging.getLogger(__name__)

#: Recovery codes of a user. Each has 24 of 32 letters and digits: 120 bits.
RECOVERY_CODES, CODE_CHARACTERS, GROUP = 8, 24, 6
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def device_of(user: Any) -> TOTPDevice | None:
    """Return the user's authenticator app. None: a password suffices."""
    return TOTPDevice.objects.filter(user=user, confirmed=True).first()


def is_required_of(user: Any) -> bool:
    """Return whether the user may do nothing without a second factor."""
    return settings.STAFF_TWO_FACTOR == "required" and user.is_staff


def follows(request: Any) -> None:
    """Announce that the caller of `authenticate` asks for the second factor when the password is right."""
    request.second_factor_follows = True


def require(request: Any, user: Any) -> None:
    """Refuse a password that is right and does not suffice.

    Raises:
      SecondFactorNeededError: The user has a second factor or must have one, and the caller does not ask for it.
    """
    if not getattr(request, "second_factor_follows", False) and (is_required_of(user) or device_of(user)):
        raise SecondFactorNeededError


def begin(user: Any) -> TOTPDevice:
    """Return the authenticator app that the user sets up. It counts once a code of it was given."""
    device = TOTPDevice.objects.filter(user=user, confirmed=False).first()
    return device or TOTPDevice.objects.create(user=user, name="authenticator app", confirmed=False)


def confirm(user: Any, code: str) -> tuple[TOTPDevice, list[str]] | None:
    """Turn two-step sign-in on. Return the app and the recovery codes, which are shown this once.

    Returns:
      None: the code is wrong.
    Raises:
      TooManyAttemptsError: Too many codes were wrong lately.
    """
    device = _verified(user, begin(user), code)
    if device is None:
        return None
    with transaction.atomic():
        TOTPDevice.objects.filter(user=user).exclude(pk=device.pk).delete()
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        return device, renew_recovery_codes(user)


def verify(user: Any, code: str) -> TOTPDevice | None:
    """Return the user's app if the code is one of it, or an unused recovery code. None: the code is wrong.

    Raises:
      TooManyAttemptsError: Too many codes were wrong lately.
    """
    device = device_of(user)
    return None if device is None else _verified(user, device, code)


def renew_recovery_codes(user: Any) -> list[str]:
    """Make new recovery codes for a user, in place of the old ones."""
    codes = ["".join(secrets.choice(ALPHABET) for _ in range(CODE_CHARACTERS)) for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        RecoveryCode.objects.filter(user=user).delete()
        RecoveryCode.objects.bulk_create([RecoveryCode(user=user, digest=_digest(user, code)) for code in codes])
    return ["-".join(code[start : start + GROUP] for start in range(0, CODE_CHARACTERS, GROUP)) for code in codes]


def remove(user: Any) -> bool:
    """Turn two-step sign-in off. Return whether it was on."""
    with transaction.atomic():
        RecoveryCode.objects.filter(user=user).delete()
        return bool(TOTPDevice.objects.filter(user=user).delete()[0])


def _verified(user: Any, device: TOTPDevice, code: str) -> TOTPDevice | None:
    counters = [throttling.Counter(limit=throttling.CODE, name=str(user.pk), user_id=user.pk)]
    throttling.count(counters)
    written = "".join(character for character in code.lower() if character.isalnum())
    if len(written) == CODE_CHARACTERS:
        found = device if RecoveryCode.objects.filter(user=user, digest=_digest(user, written)).delete()[0] else None
    else:
        found = verify_token(user, device.persistent_id, written)
    kind = "recovery code" if len(written) == CODE_CHARACTERS else "app"
    if found is None:
        logger.warning("second step failed account=%s kind=%s", user.pk, kind)
    else:
        throttling.take_off(counters)
        logger.info("second step passed account=%s kind=%s", user.pk, kind)
    return found


def _digest(user: Any, code: str) -> str:
    return hashlib.sha256(f"{user.pk} {code}".encode()).hexdigest()
