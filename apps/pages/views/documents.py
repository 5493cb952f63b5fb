"""One document of a writer: its text's figures, or how far it is."""

import math
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from apps.documents.models import Analysis, Chapter, Document, Manuscript
from apps.documents.services.document_service import DocumentService
from apps.pages import plots
from apps.pages.access import WriterRequest, writers_page
from apps.pages.forms import TitleForm
from apps.pages.plots import Plot
from apps.pages.templatetags.figures import ease, percent
from apps.projects.reports.wording import EASE_WORDS

#: Of a document with more chapters, the page shows the first ones.
SHOWN_CHAPTERS = 400
#: What is long, and shown of a whole document only.
LONG_FIELDS = ("keywords", "longest_sentences", "repeated_phrases")
#: Keywords are written in so many sizes.
SIZES = 5


def own_document(request: WriterRequest, pk: int) -> Document:
    """One of the writer's own documents. Somebody else's is no other than one that is not there."""
    found = Document.objects.select_related("project", "analysis")
    return get_object_or_404(found, pk=pk, project__owner_id=request.user.pk)


@writers_page
@require_safe
def show(request: WriterRequest, pk: int) -> HttpResponse:
    """A document: what can be done with it, how far it is, what was found in it."""
    return document_page(request, pk)


def document_page(request: WriterRequest, pk: int, **filled_in: Any) -> HttpResponse:
    """The page of a document.

    Parameters:
      filled_in: The form `rename` as it was sent in. With it the answer is a 400.
    """
    document = own_document(request, pk)
    said_processing = document.status == Document.Status.PROCESSING
    task = DocumentService.running_tasks([document]).get(pk)
    if said_processing and task is None:
        # Processed a moment ago, or mended: its status and its figures are shown as of one moment.
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
        "plots": plots_of(analysis, chapters) if analysis else [],
        "rename": TitleForm({"title": document.title}, auto_id="rename_%s"),
    }
    return render(request, "pages/document.html", context | filled_in, status=400 if filled_in else 200)


def sized(keywords: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The keywords, each with a `size` of 1 to `SIZES` by how often it is there."""
    counts = [keyword["count"] for keyword in keywords]
    lowest, highest = min(counts, default=0), max(counts, default=0)
    span = math.log1p(highest) - math.log1p(lowest)

    def size(count: int) -> int:
        share = (math.log1p(count) - math.log1p(lowest)) / span if span else 0
        return 1 + round(share * (SIZES - 1))

    return [keyword | {"size": size(keyword["count"])} for keyword in keywords]


def plots_of(analysis: Analysis, chapters: list[Chapter]) -> list[Plot]:
    """The plots of a document, as far as there are figures for them. One chapter is no plot."""
    if len(chapters) < 2:
        return []
    labels = [str(chapter) for chapter in chapters]
    found = [
        plots.bars(
            title="Length of the chapters, in words",
            values=[chapter.words for chapter in chapters],
            labels=labels,
            written=lambda value: f"{value:,.0f} words",
            scale=lambda value: f"{value:,.0f}",
        )
    ]
    eases = [chapter.reading_ease for chapter in chapters]
    if any(value is not None for value in eases):
        found.append(
            plots.dots(
                title="Reading ease",
                values=eases,
                labels=labels,
                written=lambda value: f"{value:.0f}, {ease(value)}",
                guides=EASE_WORDS,
            )
        )
    shares = [chapter.dialogue_share for chapter in chapters]
    if any(share is not None for share in shares):
        found.append(
            plots.bars(title="Share of dialogue", values=shares, labels=labels, written=percent, scale=percent, top=1)
        )
    return found


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: WriterRequest, pk: int) -> HttpResponse:
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
    """Ask whether the document is to go; a POST says yes."""
    document = own_document(request, pk)
    if request.method == "POST":
        document.delete()
        messages.success(request, f"“{document.title}” was deleted.")
        return redirect("pages:project", pk=document.project_id)
    return render(request, "pages/delete_document.html", {"document": document, "project": document.project})


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def process(request: WriterRequest, pk: int) -> HttpResponse:
    """Start to process the document, unless that is under way."""
    document = own_document(request, pk)
    if request.method == "POST":
        try:
            DocumentService.start_processing(document, owner_id=request.user.pk)
        except Document.DoesNotExist:
            raise Http404 from None
    if "from_project" in request.POST:
        return redirect("pages:project", pk=document.project_id)
    return redirect("pages:document", pk=pk)
