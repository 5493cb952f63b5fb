"""One document of a writer: the figures of its text, or the progress of processing it."""

import math
from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.quotas.errors import QuotaError
from apps.documents.analysis import dialogue, readability
from apps.documents.models import Analysis, Chapter, Document, Manuscript
from apps.documents.services.document_service import DocumentService
from apps.documents.services.encoding import UnknownEncodingError
from apps.pages.access import WriterRequest, refused, writers_page
from apps.pages.forms import TitleForm
from apps.pages.plots import plots_of
from apps.projects.access import require
from apps.projects.models import Role
from apps.tasks import ledger, states

#: Number of chapters on one page.
SHOWN_CHAPTERS = 400
#: Long fields that are shown of a whole document, not of a chapter or in a list.
LONG_FIELDS = ("keywords", "longest_sentences", "repeated_phrases")
#: Number of letter sizes for keywords.
SIZES = 5


def document_of(request: WriterRequest, pk: int, *, role: Role = Role.EDITOR) -> Document:
    """Return a document that the writer sees. Any other is as if it did not exist: a 404.

    Raises:
      RoleError: The writer's role in its project does not allow as much as the given one.
    """
    document: Document = get_object_or_404(
        Document.objects.visible_to(request.user).select_related("project", "analysis"), pk=pk
    )
    require(document.project, request.user, role=role)
    return document


@writers_page
@require_safe
def show(request: WriterRequest, pk: int) -> HttpResponse:
    """Show a document with its actions, its progress and its figures."""
    return document_page(request, pk)


def document_page(request: WriterRequest, pk: int, **filled_in: Any) -> HttpResponse:
    """Return the page of a document.

    Parameters:
      filled_in: The form `rename` as it was sent, or the sentence `process_refused`. With either the answer is a 400.
    """
    document = document_of(request, pk, role=Role.READER)
    said_processing = document.status == Document.Status.PROCESSING
    task = DocumentService.running_tasks([document]).get(pk)
    if said_processing and task is None:
        # Processed or settled meanwhile. The page shows status and figures of the same time.
        document = document_of(request, pk, role=Role.READER)
    analysis = getattr(document, "analysis", None)
    found = document.chapters.defer(*LONG_FIELDS).order_by("position")
    page = Paginator(found, SHOWN_CHAPTERS).get_page(request.GET.get("page"))
    chapters = list(page.object_list)
    context = {
        "document": document,
        "project": document.project,
        "manuscript": (manuscript := Manuscript.without_text.filter(document=document).first()),
        "readings": (manuscript and manuscript.readings) or (),
        "task": task,
        "why": ledger.why(task).owner_text if task is not None and task.status == states.PENDING else "",
        "analysis": analysis,
        "chapters": chapters,
        "chapter_notes": chapter_notes(chapters, analysis=analysis) if analysis else (),
        "page": page,
        "chapter_count": page.paginator.count,
        "more_chapters": page.paginator.count - page.end_index(),
        "can_edit": document.project.role_of(request.user) is not Role.READER,
        "keywords": sized(analysis.keywords or []) if analysis else [],
        "plots": plots_of(chapters) if analysis else [],
        "rename": TitleForm({"title": document.title}, auto_id="rename_%s"),
    }
    return render(request, "pages/document.html", context | filled_in, status=400 if filled_in else 200)


def chapter_notes(chapters: Iterable[Chapter], *, analysis: Analysis) -> list[str]:
    """Return the reasons for which chapters lack a figure that the whole document has, each once."""
    notes = []
    for chapter in chapters:
        if analysis.reading_ease is not None and chapter.reading_ease is None:
            notes.append(readability.note(language=chapter.language, words=chapter.words, has_ease=False))
        if analysis.dialogue_share is not None and chapter.dialogue_share is None:
            notes.append(dialogue.note(language=chapter.language))
    return list(dict.fromkeys(notes))


def sized(keywords: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the keywords, each with a `size` of 1 to `SIZES`, which follows its count."""
    counts = [keyword["count"] for keyword in keywords]
    lowest, highest = min(counts, default=0), max(counts, default=0)
    span = math.log1p(highest) - math.log1p(lowest)

    def size(count: int) -> int:
        share = (math.log1p(count) - math.log1p(lowest)) / span if span else 0
        return 1 + round(share * (SIZES - 1))

    return [keyword | {"size": size(keyword["count"])} for keyword in keywords]


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: WriterRequest, pk: int) -> HttpResponse:
    """Rename the document."""
    document = document_of(request, pk)
    form = TitleForm(request.POST, auto_id="rename_%s")
    if request.method == "POST" and not form.is_valid():
        return document_page(request, pk, rename=form)
    if request.method == "POST":
        DocumentService.rename(document, title=form.cleaned_data["title"])
    return redirect("pages:document", pk=pk)


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: WriterRequest, pk: int) -> HttpResponse:
    """Ask whether to delete the document. A POST deletes it."""
    document = document_of(request, pk)
    if request.method == "POST":
        document.delete()
        messages.success(request, f"“{document.title}” was deleted.")
        return redirect("pages:project", pk=document.project_id)
    return render(request, "pages/delete_document.html", {"document": document, "project": document.project})


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def process(request: WriterRequest, pk: int) -> HttpResponse:
    """Start processing the document, unless it is being processed."""
    document = document_of(request, pk)
    if request.method == "POST":
        try:
            DocumentService.start_processing(document, owner_id=request.user.pk)
        except QuotaError as error:
            return refused(document_page(request, pk, process_refused=str(error)), error)
        except Document.DoesNotExist:
            raise Http404 from None
    if "from_project" in request.POST:
        return redirect("pages:project", pk=document.project_id)
    return redirect("pages:document", pk=pk)


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def encoding(request: WriterRequest, pk: int) -> HttpResponse:
    """Show how the text reads in each encoding that its file may have. A POST chooses one, and starts processing."""
    document = document_of(request, pk)
    readings, chosen = DocumentService.readings_of(document)
    context = {"document": document, "project": document.project, "readings": readings, "chosen": chosen}
    if request.method != "POST" and readings:
        return render(request, "pages/encoding.html", context)
    if request.method == "POST":
        encoding = request.POST.get("encoding", "")
        try:
            DocumentService.choose_encoding(document, encoding=encoding, owner_id=request.user.pk)
        except UnknownEncodingError as error:
            return render(request, "pages/encoding.html", context | {"refused": str(error)}, status=400)
        except QuotaError as error:
            return refused(render(request, "pages/encoding.html", context | {"refused": str(error)}), error)
        except Document.DoesNotExist:
            raise Http404 from None
    return redirect("pages:document", pk=pk)
