"""The first data of a new installation: a user, and a novel whose processing is sent."""

import secrets
from dataclasses import dataclass, field

from django.db import transaction

from apps.accounts.models import User
from apps.documents.samples import PRIDE_AND_PREJUDICE
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Project

PROJECT = "Sample"
TITLE = "Pride and Prejudice"
#: Letters and digits that look different from each other. Twelve of these 31 make 59 bits.
PASSWORD_CHARACTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # noqa: S105


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The sample that was made.

    Parameters:
      username, password: The user. The password is stored nowhere else.
      task_id: The task that processes the novel.
    """

    username: str
    password: str = field(repr=False)
    task_id: str


def seed(*, username: str) -> Sample | None:
    """Make a user who sees the admin, a project and a document, and send its processing.

    Returns:
      The sample, or None if there are users already.
    """
    with transaction.atomic():
        if User.objects.exists():
            return None
        password = new_password()
        user = User.objects.create_superuser(username, password=password)
        project = Project.objects.create(owner=user, name=PROJECT)
        document = DocumentService.create(
            project=project,
            title=TITLE,
            data=PRIDE_AND_PREJUDICE.read_bytes(),
            filename=PRIDE_AND_PREJUDICE.name,
        )
        task_id = DocumentService.start_processing(document, owner_id=user.pk)
    return Sample(username=username, password=password, task_id=task_id)


def new_password() -> str:
    """Return three groups of four characters, easy to type from a terminal."""
    return "-".join("".join(secrets.choice(PASSWORD_CHARACTERS) for _ in range(4)) for _ in range(3))
