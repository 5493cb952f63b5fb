"""Two-step sign-in of a user's account: set up, new recovery codes, off."""

from base64 import b32encode
from typing import Any

import segno
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django_otp import login as note_second_factor

from apps.accounts.errors import SecondFactorNeededError
from apps.accounts.second_factor import service as second_factor
from apps.accounts.sessions import registry
from apps.pages.access import WriterRequest, button, confirmed, refused, writers_page
from apps.pages.account_forms import FirstCodeForm

GROUP = 4


@writers_page
@confirmed
def show(request: WriterRequest) -> HttpResponse:
    """Show whether two-step sign-in is on, or set it up. All other sessions end when it begins."""
    if second_factor.device_of(request.user):
        _check(request)
        return render(request, "pages/two_factor_on.html", {"left": request.user.recovery_codes.count()})
    form = FirstCodeForm(request.POST or None, user=request.user)
    if form.is_valid() and form.confirmed:
        device, codes = form.confirmed
        note_second_factor(request, device)
        registry.end_all(request.user, but=request.session.session_key)
        return render(request, "pages/recovery_codes.html", {"codes": codes, "is_new": True})
    device = second_factor.begin(request.user)
    # The picture has no style of its own, which the page's policy would refuse.
    picture = segno.make_qr(device.config_url).svg_inline(svgclass="qr", lineclass=None, omitsize=True, border=2)
    secret = b32encode(device.bin_key).decode()
    context = {
        "form": form,
        "picture": mark_safe(picture),  # noqa: S308 (Made by the library from a URL, in which all is quoted.)
        "secret": " ".join(secret[start : start + GROUP] for start in range(0, len(secret), GROUP)),
        "is_required": second_factor.is_required_of(request.user),
    }
    return refused(render(request, "pages/two_factor.html", context), form.refusal)


@writers_page
@button("pages:two-factor")
@confirmed
def renew(request: WriterRequest) -> HttpResponse:
    """Make new recovery codes, and show them once."""
    if second_factor.device_of(request.user) is None:
        return redirect("pages:two-factor")
    _check(request)
    codes = second_factor.renew_recovery_codes(request.user)
    return render(request, "pages/recovery_codes.html", {"codes": codes, "is_new": False})


@writers_page
@button("pages:two-factor")
@confirmed
def remove(request: WriterRequest) -> HttpResponse:
    """Turn two-step sign-in off."""
    _check(request)
    if second_factor.remove(request.user):
        messages.success(request, "Two-step sign-in is off. Your password alone signs you in.")
    return redirect("pages:account")


def _check(request: WriterRequest) -> None:
    """Refuse a session that began before two-step sign-in did, and gave no code."""
    user: Any = request.user
    if second_factor.device_of(user) and not user.is_verified():
        raise SecondFactorNeededError("Sign out, then sign in with a code of your app.")
