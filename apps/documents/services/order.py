"""The order of a project's documents, which its writers change."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import F

from apps.documents.models import Document

#: Documents whose places one statement writes.
BATCH_SIZE = 500


class OrderChangedError(Exception):
    """The document before which this one was to stand is no longer in the project. The message is for the writer."""

    def __init__(self) -> None:
        super().__init__(
            "The document before which this one was to stand is no longer in the project. "
            "Look at the order as it is now, then move it again."
        )


def move(document: Document, *, before: int | None) -> None:
    """Move a document before another one of its project.

    Moves of one project wait for each other. A document that is uploaded meanwhile comes last.

    Parameters:
      before: Primary key of the other document. None: move it to the end.

    Raises:
      OrderChangedError: The project has no such document any more.
      Document.DoesNotExist: The document itself was deleted.
    """
    found = Document.objects.filter(project_id=document.project_id)
    with transaction.atomic():
        # By key, as all who lock several documents do. The order is read when no other move can change it.
        list(found.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
        ordered = list(found.in_order().only("position"))
        places = {other.pk: place for place, other in enumerate(ordered)}
        if document.pk not in places:
            raise Document.DoesNotExist(f"Document {document.pk} no longer exists.")
        if before is not None and before not in places:
            raise OrderChangedError
        positions = _numbered(ordered)
        old, new = places[document.pk], len(ordered) if before is None else places[before]
        if new < old:
            found.filter(position__gte=positions[new], position__lt=positions[old]).update(position=F("position") + 1)
        elif new > old:
            new -= 1
            found.filter(position__gt=positions[old], position__lte=positions[new]).update(position=F("position") - 1)
        found.filter(pk=document.pk).update(position=positions[new])


def _numbered(ordered: Sequence[Document]) -> list[int]:
    """Give a position to each document that has none, or not a higher one than the document before it. Return them."""
    last, changed = 0, []
    for document in ordered:
        if document.position is None or document.position <= last:
            document.position = last + 1
            changed.append(document)
        last = document.position
    Document.objects.bulk_update(changed, ["position"], batch_size=BATCH_SIZE)
    return [document.position for document in ordered if document.position is not None]
