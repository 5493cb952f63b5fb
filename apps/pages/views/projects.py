"""A writer's projects, and the contents of one of them."""

from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.core.paginator import Paginator
from django.db.models import Count, Q, Sum
from django.http import Http404, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.quotas.errors import QuotaError
from apps.core.body import takes_body
from apps.documents.analysis.scripts import WITHOUT_SPACES
from apps.documents.models import Document
from apps.documents.readers.errors import ReadersBusyError, UnreadableTextError
from apps.documents.services.document_service import DocumentService
from apps.pages.access import WriterRequest, refused, writers_page
from apps.pages.forms import PasteForm, ProjectForm, UploadForm
from apps.pages.views.documents import LONG_FIELDS
from apps.projects.access import require
from apps.projects.models import Project, Role
from apps.projects.services.project_service import ProjectService
from apps.projects.services.report_service import ReportService

#: Number of entries on one page of a list.
PAGE_SIZE = 50
#: Most files whose titles are said when they are added. More lines would push the page away.
MESSAGES = 3
#: Seconds after which a writer may send a file again that could not be read at once.
BUSY_SECONDS = 5
#: Documents of a project whose length is in characters.
IN_CHARACTERS = Q(documents__analysis__language__in=WITHOUT_SPACES)
TITLE_LENGTH = Document._meta.get_field("title").max_length


def project_of(request: WriterRequest, pk: int, *, role: Role = Role.READER) -> Project:
    """Return a project that the writer sees. Any other is as if it did not exist: a 404.

    Raises:
      RoleError: The writer's role does not allow as much as the given one.
    """
    project: Project = get_object_or_404(Project.objects.visible_to(request.user).select_related("owner"), pk=pk)
    require(project, request.user, role=role)
    return project


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def home(request: WriterRequest) -> HttpResponse:
    """Show the projects that the writer sees. A POST creates one."""
    form = ProjectForm(request.POST or None, auto_id="new_%s")
    if request.method == "POST" and form.is_valid():
        try:
            project = ProjectService.create(owner=request.user, **form.cleaned_data)
        except QuotaError as error:
            form.add_error("name", str(error))
            return refused(home_page(request, form), error)
        return redirect("pages:project", pk=project.pk)
    return home_page(request, form)


def home_page(request: WriterRequest, form: ProjectForm) -> HttpResponse:
    """Return the page of the writer's projects."""
    projects = (
        Project.objects.visible_to(request.user)
        .select_related("owner")
        .annotate(
            document_count=Count("documents"),
            word_count=Sum("documents__analysis__words", filter=~IN_CHARACTERS),
            character_count=Sum("documents__analysis__words", filter=IN_CHARACTERS),
        )
    )
    # Said here, since a model's own ordering does not apply to rows that are counted.
    projects = projects.order_by("-created_at", "-pk")
    page = Paginator(projects, PAGE_SIZE).get_page(request.GET.get("page"))
    context = {"page": page, "form": form, "use": DocumentService.use_of(request.user.pk)}
    return render(request, "pages/home.html", context, status=400 if form.errors else 200)


@writers_page
@require_safe
def show(request: WriterRequest, pk: int) -> HttpResponse:
    """Show a project: its documents, the forms that add to them, and its report."""
    return project_page(request, project_of(request, pk))


def project_page(request: WriterRequest, project: Project, **filled_in: Any) -> HttpResponse:
    """Return the page of a project.

    Parameters:
      filled_in: The forms `rename`, `paste` and `upload` as they were sent, and `refused`, which has pairs of a file's
        name and the reason for which it was refused. `process_refused` and `report_refused` are sentences. With any of
        them the answer is a 400.
    """
    found = (
        Document.objects.filter(project=project)
        .select_related("analysis")
        .defer(*(f"analysis__{name}" for name in LONG_FIELDS))
        .annotate(chapter_count=Count("chapters"))
        .in_order()
    )
    page = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    documents = list(page.object_list)
    running = DocumentService.running_tasks(documents)
    drafts_task = DocumentService.newest_project_task(project)
    report_task = ReportService.newest_task(project)
    is_moving = bool(running) or any(task and not task.is_finished for task in (drafts_task, report_task))
    context = {
        "project": project,
        "page": page,
        "lines": [(document, running.get(document.pk)) for document in documents],
        "draft_count": Document.objects.filter(project=project, status=Document.Status.DRAFT).count(),
        "drafts_task": drafts_task if drafts_task and not drafts_task.is_finished else None,
        "role": (role := project.role_of(request.user)),
        "can_edit": role is not Role.READER,
        "is_owner": role is Role.OWNER,
        "report_task": report_task,
        "report": ReportService.newest(project),
        "is_moving": is_moving,
        "rename": ProjectForm({"name": project.name}, auto_id="rename_%s"),
        "paste": PasteForm(auto_id="paste_%s"),
        "upload": UploadForm(auto_id="upload_%s"),
    }
    return render(request, "pages/project.html", context | filled_in, status=400 if filled_in else 200)


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: WriterRequest, pk: int) -> HttpResponse:
    """Rename the project."""
    project = project_of(request, pk, role=Role.OWNER)
    form = ProjectForm(request.POST, auto_id="rename_%s")
    if request.method == "POST" and not form.is_valid():
        return project_page(request, project, rename=form)
    if request.method == "POST":
        Project.objects.filter(pk=project.pk).update(name=form.cleaned_data["name"], updated_at=timezone.now())
    return redirect("pages:project", pk=pk)


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: WriterRequest, pk: int) -> HttpResponse:
    """Ask whether to delete the project with all that is in it. A POST deletes it."""
    project = project_of(request, pk, role=Role.OWNER)
    if request.method == "POST":
        project.delete()
        messages.success(request, f"“{project.name}” was deleted.")
        return redirect("pages:home")
    count = Document.objects.filter(project=project).count()
    return render(request, "pages/delete_project.html", {"project": project, "document_count": count})


@takes_body(lambda **_: int(settings.REQUEST_MAX_BYTES))
@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: WriterRequest, pk: int) -> HttpResponse:
    """Take files without JavaScript. The page gives the reason for each file that is refused."""
    project = project_of(request, pk, role=Role.EDITOR)
    if request.method != "POST":
        return redirect("pages:project", pk=pk)
    form = UploadForm(request.POST, request.FILES, auto_id="upload_%s")
    if not form.is_valid():
        return project_page(request, project, upload=form)
    added, reasons, quota, busy = list[str](), [], None, False
    for file in form.cleaned_data["chosen"]:
        try:
            document = take(file, project=project, sender_id=request.user.pk)
        except QuotaError as error:
            quota = error
            reasons.append((file.name, str(error)))
        except (UnreadableTextError, ReadersBusyError) as error:
            reasons.append((file.name, str(error)))
            busy = busy or isinstance(error, ReadersBusyError)
        else:
            added.append(document.title)
    said = [f"“{title}” was added." for title in added]
    for sentence in said if len(said) <= MESSAGES else [f"{len(said)} files were added."]:
        messages.success(request, sentence)
    if not reasons:
        return redirect("pages:project", pk=pk)
    response = project_page(request, project, refused=reasons)
    if busy:
        response.status_code = 503
        response.headers["Retry-After"] = str(BUSY_SECONDS)
    return refused(response, quota)


def take(file: "UploadedFile[Any]", *, project: Project, sender_id: int) -> Document:
    """Create a document from an uploaded file, and name it after the file.

    Raises:
      QuotaError, UnreadableTextError: It cannot be taken; the message is for the writer.
      ReadersBusyError: It cannot be taken now; the message is for the writer.
    """
    name = file.name or ""
    title = (PurePath(name).stem.strip() or "Untitled")[:TITLE_LENGTH]
    return DocumentService.create(project=project, title=title, data=file, filename=name, sender_id=sender_id)


@takes_body(lambda **_: int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE))
@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def paste(request: WriterRequest, pk: int) -> HttpResponse:
    """Create a document from a pasted text."""
    project = project_of(request, pk, role=Role.EDITOR)
    if request.method != "POST":
        return redirect("pages:project", pk=pk)
    form = PasteForm(request.POST, auto_id="paste_%s")
    if form.is_valid():
        try:
            document = DocumentService.create(project=project, sender_id=request.user.pk, **form.cleaned_data)
        except QuotaError as error:
            form.add_error("text", str(error))
            return refused(project_page(request, project, paste=form), error)
        except UnreadableTextError as error:
            form.add_error("text", str(error))
        else:
            return redirect("pages:document", pk=document.pk)
    return project_page(request, project, paste=form)


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def process(request: WriterRequest, pk: int) -> HttpResponse:
    """Start the task that processes all drafts of the project."""
    project = project_of(request, pk, role=Role.EDITOR)
    if request.method == "POST":
        try:
            DocumentService.start_project(project, owner_id=request.user.pk)
        except QuotaError as error:
            return refused(project_page(request, project, process_refused=str(error)), error)
        except Project.DoesNotExist:
            raise Http404 from None
    return redirect("pages:project", pk=pk)


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def report(request: WriterRequest, pk: int) -> HttpResponseBase:
    """Start the project's report."""
    project = project_of(request, pk, role=Role.EDITOR)
    if request.method == "POST":
        try:
            ReportService.start(project, owner_id=request.user.pk)
        except QuotaError as error:
            return refused(project_page(request, project, report_refused=str(error)), error)
        except Project.DoesNotExist:
            raise Http404 from None
    return redirect("pages:project", pk=pk)
