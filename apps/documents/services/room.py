"""Room for documents in the projects of a user."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Sum

from apps.accounts.quotas import metering
from apps.accounts.quotas.errors import MORE, NoRoomError
from apps.accounts.quotas.limits import MEGABYTE, Limits, limits_of
from apps.documents.models import Document
from apps.documents.readers.errors import in_words
from apps.projects.models import Membership, Project, Role


@dataclass(frozen=True, kw_only=True)
class Use:
    """Documents and bytes in the projects of a user, and the user's limits."""

    documents: int
    stored_bytes: int
    limits: Limits

    @property
    def stored_megabytes(self) -> int:
        """Megabytes stored, rounded up."""
        return -(-self.stored_bytes // MEGABYTE)


def use_of(owner_id: int) -> Use:
    """Return the use of a user's projects. Each call counts anew, so no deletion is missed."""
    return _count(owner_id, limits_of(owner_id))


def _count(owner_id: int, limits: Limits) -> Use:
    found = Document.objects.filter(project__owner_id=owner_id).aggregate(number=Count("pk"), size=Sum("size_bytes"))
    return Use(documents=found["number"], stored_bytes=found["size"] or 0, limits=limits)


def check(owner_id: int, *, size_bytes: int, sender_id: int | None, is_least: bool = False, hold: bool = False) -> None:
    """Check that the projects of a user have room for one more document.

    Parameters:
      size_bytes: Size of the manuscript.
      sender_id: Primary key of the user who adds it and reads the sentence.
      is_least: Whether the size is the least that it may have.
      hold: Whether no other document may come to the owner until the transaction ends.

    Raises:
      NoRoomError: They have none.
    """
    limits = limits_of(owner_id)
    if not (limits.documents or limits.stored_megabytes):
        return
    if hold:
        metering.lock(owner_id)
    use = _count(owner_id, limits)
    has, helps = "You have", "Delete a document"
    if sender_id != owner_id:
        has, helps = "The owner of this project has", "Documents have to be deleted first"
    if limits.documents and use.documents >= limits.documents:
        raise NoRoomError(f"{has} {use.documents:,} of {limits.documents:,} documents. {helps}, or {MORE}.")
    if limits.stored_megabytes and use.stored_bytes + size_bytes > limits.stored_bytes:
        stored = f"{use.stored_bytes / MEGABYTE:,.1f} of {limits.stored_megabytes:,} MB"
        needed = f"{size_bytes / MEGABYTE:,.1f} MB" if size_bytes >= MEGABYTE / 10 else in_words(size_bytes)
        least = "at least " if is_least else ""
        raise NoRoomError(f"{has} {stored}, and this text needs {least}{needed}. {helps}, or {MORE}.")


def admit(project: Project, *, size_bytes: int, sender_id: int | None) -> None:
    """Check that a manuscript has room before it is read, and count it among the sender's uploads.

    Raises:
      QuotaError: It has none, or the sender adds documents too fast.
    """
    check(project.owner_id, size_bytes=size_bytes, sender_id=sender_id)
    count(sender_id)


def count(sender_id: int | None) -> None:
    """Count a manuscript among the sender's uploads. Without a sender nothing is counted.

    Raises:
      NotNowError: The sender adds documents too fast.
    """
    if sender_id is not None:
        metering.count(metering.UPLOADS, user_id=sender_id)


def reserve(project: Project, *, size_bytes: int, sender_id: int | None) -> None:
    """Check again, and let no other document come to the owner until the transaction ends.

    Raises:
      NoRoomError: Other documents have taken the room meanwhile.
    """
    check(project.owner_id, size_bytes=size_bytes, sender_id=sender_id, hold=True)


def check_body(user_id: Any, *, text_bytes: int) -> None:
    """Check a request with a new document before its body is read, when its project is not known.

    Parameters:
      text_bytes: Least size of the manuscript in the body.

    Raises:
      QuotaError: The user adds documents too fast, or no project to which the user may add one has room.
    """
    metering.check(metering.UPLOADS, user_id=user_id)
    refusals = []
    for owner_id in [user_id, *_shared_by(user_id)]:
        try:
            check(owner_id, size_bytes=text_bytes, sender_id=user_id, is_least=True)
        except NoRoomError as error:
            refusals.append(error)
        else:
            return
    raise refusals[0]


def _shared_by(user_id: Any) -> list[int]:
    """Return the owners of the projects in which the user is an editor."""
    shared = Membership.objects.filter(user_id=user_id, role=Role.EDITOR)
    return list(shared.values_list("project__owner_id", flat=True).distinct())
