"""The members of a project, and the invitations into it."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.models import User
from apps.accounts.quotas.errors import QuotaError
from apps.pages.access import WriterRequest, origin_of, writers_page
from apps.pages.forms import InvitationForm, RoleForm
from apps.pages.mailed_link import mailed_link
from apps.pages.views.projects import project_of
from apps.projects.errors import TooManyInvitationsError
from apps.projects.models import Invitation, Membership, Project, Role
from apps.projects.services.invitation_service import InvitationService
from apps.projects.services.member_service import MemberService

#: Members on a page.
PAGE_SIZE = 50


@writers_page
@require_safe
def show(request: WriterRequest, pk: int) -> HttpResponse:
    """Show who is in the project. The owner changes roles, invites and hands over."""
    return members_page(request, project_of(request, pk))


def members_page(
    request: WriterRequest, project: Project, *, invite: InvitationForm | None = None, status: int = 200
) -> HttpResponse:
    """Return the page of a project's members.

    Parameters:
      invite: The form as it was sent.
    """
    is_owner = project.role_of(request.user) is Role.OWNER
    page = Paginator(MemberService.members(project), PAGE_SIZE).get_page(request.GET.get("page"))
    invitations = Invitation.objects.filter(project=project).open(timezone.now()) if is_owner else ()
    context: dict[str, Any] = {
        "project": project,
        "is_owner": is_owner,
        "page": page,
        "members": [(member, RoleForm({"role": member.role}, auto_id=f"role_{member.user_id}_%s")) for member in page],
        "invitations": invitations,
        "invite": invite or InvitationForm(auto_id="invite_%s"),
    }
    return render(request, "pages/members.html", context, status=status)


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def invite(request: WriterRequest, pk: int) -> HttpResponse:
    """Invite an address into the project."""
    project = project_of(request, pk, role=Role.OWNER)
    if request.method != "POST":
        return redirect("pages:members", pk=pk)
    form = InvitationForm(request.POST, auto_id="invite_%s", own_email=request.user.email)
    if not form.is_valid():
        return members_page(request, project, invite=form, status=400)
    email, role = form.cleaned_data["email"], Role(form.cleaned_data["role"])
    # The token follows the address.
    page_url = origin_of(request) + reverse("pages:invitation", args=["-"]).removesuffix("-/")
    try:
        InvitationService.invite(project, by=request.user, email=email, role=role, page_url=page_url)
    except TooManyInvitationsError as error:
        form.add_error(None, str(error))
        return members_page(request, project, invite=form, status=429)
    messages.success(request, f"The invitation to {email} is on its way.")
    return redirect("pages:members", pk=pk)


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def withdraw(request: WriterRequest, pk: int, invitation_id: int) -> HttpResponse:
    """Withdraw an invitation. Its link stops working."""
    project = project_of(request, pk, role=Role.OWNER)
    if request.method == "POST" and InvitationService.withdraw(project, invitation_id=invitation_id):
        messages.success(request, "The invitation was withdrawn.")
    return redirect("pages:members", pk=pk)


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def change_role(request: WriterRequest, pk: int, user_id: int) -> HttpResponse:
    """Give a member another role."""
    project = project_of(request, pk, role=Role.OWNER)
    form = RoleForm(request.POST)
    if request.method == "POST" and form.is_valid():
        user = member(project, user_id).user
        MemberService.change_role(project, user_id=user_id, role=(role := Role(form.cleaned_data["role"])))
        messages.success(request, f"{user.get_username()} is now {'an editor' if role is Role.EDITOR else 'a reader'}.")
    return redirect("pages:members", pk=pk)


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: WriterRequest, pk: int, user_id: int) -> HttpResponse:
    """Ask whether to end a membership. A POST ends it. Members may end their own."""
    is_own = user_id == request.user.pk
    project = project_of(request, pk, role=Role.READER if is_own else Role.OWNER)
    user = member(project, user_id).user
    if request.method == "POST":
        MemberService.remove(project, user_id=user_id)
        if is_own:
            messages.success(request, f"You left “{project.name}”.")
            return redirect("pages:home")
        messages.success(request, f"{user.get_username()} is no longer in this project.")
        return redirect("pages:members", pk=pk)
    return render(request, "pages/remove_member.html", {"project": project, "member": user, "is_own": is_own})


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def hand_over(request: WriterRequest, pk: int, user_id: int) -> HttpResponse:
    """Ask whether to make a member the owner. A POST does it."""
    project = project_of(request, pk, role=Role.OWNER)
    user = member(project, user_id).user
    if request.method == "POST":
        try:
            took = MemberService.hand_over(project, user_id=user_id)
        except QuotaError as error:
            messages.error(request, f"“{project.name}” was not handed over. {error}")
            return redirect("pages:members", pk=pk)
        if took:
            messages.success(request, f"“{project.name}” now belongs to {user.get_username()}. You are an editor.")
        else:
            messages.error(request, f"“{project.name}” was not handed over: {user.get_username()} may not sign in.")
        return redirect("pages:members", pk=pk)
    return render(request, "pages/hand_over.html", {"project": project, "member": user})


def member(project: Project, user_id: int) -> Membership:
    """Return the membership of a user, or raise a 404."""
    # `user_id=` would send a number to the database that is too large for it.
    found: Membership | None = MemberService.members(project).filter(user__pk=user_id).first()
    if found is None:
        raise Http404
    return found


@mailed_link(is_ours=InvitationService.is_ours)
@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: WriterRequest, token: str) -> HttpResponse:
    """Show an invitation. A POST accepts it."""
    found = InvitationService.find(token)
    if found is None:
        return _not_open(request, token)
    if request.method != "POST":
        role = found.project.role_of(request.user)
        return render(request, "pages/invitation.html", {"invitation": found, "project": found.project, "role": role})
    user: User = request.user
    if not InvitationService.accept(found, user=user):
        return _not_open(request, token)
    return redirect("pages:project", pk=found.project_id)


def _not_open(request: WriterRequest, token: str) -> HttpResponse:
    """Lead a member who opens or sends an invitation a second time to the project. Others are told that it is gone."""
    project = InvitationService.joined(token, user=request.user)
    if project is not None:
        return redirect("pages:project", pk=project.pk)
    return render(request, "pages/invitation_gone.html", status=404)
