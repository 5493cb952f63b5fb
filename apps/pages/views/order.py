"""The order of a project's documents."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from apps.documents.models import Document
from apps.documents.services.document_service import DocumentService
from apps.documents.services.order import OrderChangedError
from apps.pages.access import WriterRequest, writers_page
from apps.pages.forms import MoveForm
from apps.pages.views.documents import document_of
from apps.pages.views.projects import project_of
from apps.projects.models import Role

#: Number of documents on one page. Most projects fit, so that a document can be dragged to any place.
PAGE_SIZE = 500


@writers_page
@require_safe
def show(request: WriterRequest, pk: int) -> HttpResponse:
    """Show the titles of a project's documents, each with buttons that move it."""
    project = project_of(request, pk, role=Role.EDITOR)
    keys = list(Document.objects.filter(project=project).in_order().values_list("pk", flat=True))
    page = Paginator(keys, PAGE_SIZE).get_page(request.GET.get("page"))
    titles = dict(Document.objects.filter(pk__in=list(page)).values_list("pk", "title"))
    start = page.start_index()
    lines = [
        {
            "key": key,
            "place": place,
            "title": titles[key],
            # The documents before which it stands after a step up, and after one down. Empty: the end.
            "up": keys[place - 2] if place > 1 else None,
            "down": keys[place + 1] if place + 1 < len(keys) else "",
            "is_last": place == len(keys),
        }
        for place, key in enumerate(page, start=start)
        if key in titles
    ]
    following = keys[page.end_index()] if page.has_next() else ""
    context = {"project": project, "page": page, "lines": lines, "following": following}
    return render(request, "pages/order.html", context)


@writers_page
@require_http_methods(["GET", "HEAD", "POST"])
def move(request: WriterRequest, pk: int) -> HttpResponse:
    """Move a document before another one, or to the end."""
    document = document_of(request, pk)
    address = reverse("pages:order", args=[document.project_id])
    if request.method != "POST":
        return redirect(address)
    form = MoveForm(request.POST)
    if not form.is_valid():
        messages.error(request, "That is no place in the order.")
        return redirect(address)
    try:
        DocumentService.move(document, before=form.cleaned_data["before"])
    except OrderChangedError as error:
        messages.error(request, str(error))
    except Document.DoesNotExist:
        raise Http404 from None
    if (number := form.cleaned_data["page"]) and number > 1:
        address += f"?page={number}"
    return redirect(f"{address}#document-{pk}")
