"""A writer's API tokens."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from apps.accounts.models import ApiToken
from apps.accounts.tokens.errors import TokenError, TokenLifetimeError, TokenNameError
from apps.accounts.tokens.issuing import issue
from apps.pages.access import WriterRequest, confirmed, writers_page
from apps.pages.forms import TokenForm

#: Fields beside which errors are shown. Others are above the form.
FIELDS: dict[type[TokenError], str] = {TokenNameError: "name", TokenLifetimeError: "days"}


@writers_page
@confirmed
@require_http_methods(["GET", "HEAD", "POST"])
def show(request: WriterRequest) -> HttpResponse:
    """Show the writer's tokens. A POST makes one, and its answer is the only page that shows the secret."""
    form = TokenForm(request.POST if request.method == "POST" else None, auto_id="token_%s")
    if request.method != "POST":
        return _page(request, form)
    if not form.is_valid():
        return _page(request, form, status=400)
    try:
        token, secret = issue(request.user, **form.cleaned_data)
    except TokenError as error:
        form.add_error(FIELDS.get(type(error)), str(error))
        return _page(request, form, status=400)
    return _page(request, TokenForm(auto_id="token_%s"), status=201, new=token, secret=secret)


def _page(request: WriterRequest, form: TokenForm, *, status: int = 200, **made: Any) -> HttpResponse:
    tokens = ApiToken.objects.filter(user=request.user).order_by("-pk")
    return render(request, "pages/tokens.html", {"tokens": tokens, "form": form} | made, status=status)


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: WriterRequest, pk: int) -> HttpResponse:
    """Ask whether to revoke one of the writer's tokens. A POST revokes it."""
    token = get_object_or_404(ApiToken, pk=pk, user=request.user)
    if request.method == "POST":
        token.delete()
        messages.success(request, f"“{token.name}” was revoked.")
        return redirect("pages:tokens")
    return render(request, "pages/revoke_token.html", {"token": token})
