"""One document of a writer: the figures of its text, or the progress of processing it."""

import math
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts.quotas.errors import QuotaError
from apps.documents.models import Document, Manuscript
from apps.documents.services.document_service import DocumentService
from apps.pages.access import WriterRequest, over_quota, writers_page
from apps.pages.forms import TitleForm
from apps.pages.plots import plots_of

#: Number of chapters that the page shows at most.
SHOWN_CHAPTERS = 400
#: Long fields that are shown of a whole document, not of a chapter or in a list.
LONG_FIELDS = ("keywords", "longest_sentences", "repeated_phrases")
#: Number of letter sizes for keywords.
SIZES = 5


def own_document(request: WriterRequest, pk: int) -> Document:
    """Return one of the writer's own documents. Another user's is as if it did not exist: a 404."""
    found = Document.objects.select_related("project", "analysis")
    return get_object_or_404(found, pk=pk, project__owner_id=request.user.pk)


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
    document = own_document(request, pk)
    said_processing = document.status == Document.Status.PROCESSING
    task = DocumentService.running_tasks([document]).get(pk)
    if said_processing and task is None:
        # Processed or settled meanwhile. The page shows status and figures of the same time.
        document = own_document(request, pk)
    analysis = getattr(document, "analysis", None)
    chapters = list(document.chapters.defer(*LONG_FIELDS)[: SHOWN_CHAPTERS + 1])
    more_chapters = document.chapters.count() - SHOWN_CHAPTERS if len(chapters) > SHOWN_CHAPTERS else 0
    chapters = chapters[:SHOWN_CHAPTERS]
    context = {
        "document": document,
        "project": document.project,
        "manuscript": Manuscript.without_text.filter(document=document).first(),
        "task": task,
        "analysis": analysis,
        "chapters": chapters,
        "chapter_count": len(chapters) + more_chapters,
        "more_chapters": more_chapters,
        "keywords": sized(analysis.keywords or []) if analysis else [],
        "plots": plots_of(chapters) if analysis else [],
        "rename": TitleForm({"title": document.title}, auto_id="rename_%s"),
    }
    return render(request, "pages/document.html", context | filled_in, status=400 if filled_in else 200)


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
    document = own_document(request, pk)
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
    document = own_document(request, pk)
    if request.method == "POST":
        document.delete()
        messages.success(request, f"“{document.title}” was deleted.")
        return redirect("pages:project", pk=document.project_id)
    return render(request, "pages/delete_document.html", {"document": document, "project": document.project})


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def process(request: WriterRequest, pk: int) -> HttpResponse:
    """Start processing the document, unless it is being processed."""
    document = own_document(request, pk)
    if request.method == "POST":
        try:
            DocumentService.start_processing(document, owner_id=request.user.pk)
        except QuotaError as error:
            return over_quota(document_page(request, pk, process_refused=str(error)), error)
        except Document.DoesNotExist:
            raise Http404 from None
    if "from_project" in request.POST:
        return redirect("pages:project", pk=document.project_id)
    return redirect("pages:document", pk=pk)
