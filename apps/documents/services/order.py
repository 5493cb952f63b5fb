"""The order of a project's documents, which its writers change."""

from django.db import transaction

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
    """Move a document before another one of its project, and number them all.

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
        keys = [other.pk for other in ordered]
        if document.pk not in keys:
            raise Document.DoesNotExist(f"Document {document.pk} no longer exists.")
        if before is not None and before not in keys:
            raise OrderChangedError
        if before == document.pk:
            return
        moved = ordered.pop(keys.index(document.pk))
        at = len(ordered) if before is None else next(at for at, other in enumerate(ordered) if other.pk == before)
        ordered.insert(at, moved)
        renumbered = []
        for position, other in enumerate(ordered, start=1):
            if other.position != position:
                other.position = position
                renumbered.append(other)
        Document.objects.bulk_update(renumbered, ["position"], batch_size=BATCH_SIZE)
