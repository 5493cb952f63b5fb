"""A user's account: name, address, password, two-step sign-in, sessions and tokens."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import RedirectURLMixin
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone

from apps.accounts.errors import SignInError
from apps.accounts.models import User
from apps.accounts.second_factor import service as second_factor
from apps.accounts.sessions import confirmation, registry
from apps.accounts.sessions.browser import name_of
from apps.accounts.sessions.middleware import SEEN_SECONDS
from apps.accounts.sign_in import address
from apps.accounts.tasks import send_address_mail
from apps.pages.access import WriterRequest, button, confirmed, origin_of, refused, writers_page
from apps.pages.account_forms import ConfirmForm, PersonForm
from apps.pages.mailed_link import mailed_link

#: Sessions on a page. Any number of programs may sign in as a user.
PAGE_SIZE = 20
#: Age of the last record of a session that is in use.
ACTIVE = timedelta(seconds=2 * SEEN_SECONDS)


@writers_page
def show(request: WriterRequest) -> HttpResponseBase:
    """Show the account, and change name and address."""
    # A copy: the page would greet the user by a name that is refused.
    person = User.objects.get(pk=request.user.pk)
    form = PersonForm(request.POST or None, instance=person)
    if request.method == "POST":
        return _save(request, form=form)
    return _page(request, form=form)


@confirmed
def _save(request: WriterRequest, *, form: PersonForm) -> HttpResponseBase:
    if not form.is_valid():
        return _page(request, form=form)
    email = form.cleaned_data["email"]
    is_new = bool(email) and email != request.user.email
    if is_new:
        # The old one counts until a mail to the new one was read.
        form.instance.email = request.user.email
        try:
            address.ask(request, email=email)
        except SignInError as error:
            form.add_error("email", error.sentence)
            return refused(_page(request, form=form), error)
        send_address_mail.send_with_options(args=(request.user.pk, origin_of(request)), owner_id=request.user.pk)
        messages.success(request, f"Saved. A mail with a link is on its way to {email}: open it to use the address.")
    else:
        messages.success(request, "Saved.")
    form.instance.save(update_fields=["first_name", "last_name", "email"])
    return redirect("pages:account")


def _page(request: WriterRequest, *, form: PersonForm) -> HttpResponse:
    key = request.session.session_key
    page = Paginator(registry.sessions_of(request.user), PAGE_SIZE).get_page(request.GET.get("page"))
    sessions = [
        {
            "row": row,
            "browser": name_of(row.user_agent),
            "is_this": row.session_id == key,
            "is_active": timezone.now() - row.seen_at < ACTIVE,
        }
        for row in page
    ]
    context = {
        "form": form,
        "page": page,
        "sessions": sessions,
        "device": second_factor.device_of(request.user),
        "hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
    }
    return render(request, "pages/account.html", context)


@mailed_link(is_ours=address.is_ours)
@writers_page
def use_address(request: WriterRequest, token: str) -> HttpResponse:
    """Use the address to which a mail with this link went."""
    if address.confirm(request.user, token):
        request.user.refresh_from_db(fields=["email"])
        messages.success(request, f"{request.user.email} is your address now.")
    else:
        messages.error(request, "That link is too old, or belongs to another account. Save the address once more.")
    return redirect("pages:account")


@writers_page
def confirm(request: WriterRequest) -> HttpResponse:
    """Ask for the password before a sensitive change."""
    form = ConfirmForm(request.POST or None, request=request)
    destination: Any = RedirectURLMixin()
    destination.request, destination.next_page = request, "pages:account"
    if request.method == "POST" and form.is_valid():
        request.session.cycle_key()
        confirmation.note(request)
        return redirect(destination.get_success_url())
    context = {"form": form, "next": destination.get_redirect_url()}
    return refused(render(request, "pages/confirm.html", context), form.refusal)


@writers_page
@button("pages:account")
@confirmed
def end_session(request: WriterRequest, pk: int) -> HttpResponse:
    """End one session of the user."""
    if registry.end(request.user, pk):
        messages.success(request, "The session has ended.")
    return redirect("pages:account")


@writers_page
@button("pages:account")
@confirmed
def end_other_sessions(request: WriterRequest) -> HttpResponse:
    """End all sessions of the user but this one."""
    registry.end_all(request.user, but=request.session.session_key)
    messages.success(request, "All other sessions have ended.")
    return redirect("pages:account")
