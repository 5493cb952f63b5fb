"""The first data of a new installation."""

import re
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command

from aiWriting import sample
from apps.documents.models import Document
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Project
from apps.tasks.models import TaskStatus

pytestmark = pytest.mark.django_db


def test_the_sample_is_a_user_a_project_and_a_document_whose_task_is_sent() -> None:
    made = sample.seed(username="writer")
    assert made is not None
    user = get_user_model().objects.get()
    assert (user.username, user.is_staff, user.is_superuser) == ("writer", True, True)
    assert user.check_password(made.password)
    assert made.password not in repr(made)
    document = Document.objects.get()
    assert (document.project.owner, document.project.name) == (user, "Sample")
    task = TaskStatus.objects.get()
    assert (task.task_id, task.owner, task.related_object_id) == (made.task_id, user, document.pk)


def test_no_sample_is_made_if_there_is_a_user() -> None:
    get_user_model().objects.create_user("emily")
    assert sample.seed(username="writer") is None
    assert not Project.objects.exists()


def test_a_failure_leaves_no_part_of_the_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DocumentService, "start_processing", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sample.seed(username="writer")
    assert not get_user_model().objects.exists()
    assert not Document.objects.exists()


def test_passwords_differ_and_are_easy_to_type() -> None:
    passwords = {sample.new_password() for _ in range(100)}
    assert len(passwords) == 100
    assert all(re.fullmatch(r"[a-kmnp-z2-9]{4}(-[a-kmnp-z2-9]{4}){2}", password) for password in passwords)


def test_the_command_shows_the_sample_or_says_that_none_was_made() -> None:
    first, second = StringIO(), StringIO()
    call_command("seed_sample", "--username=jane", stdout=first)
    call_command("seed_sample", stdout=second)
    assert re.fullmatch(r"user jane, password \S+ \(shown this once\), task \S+\n", first.getvalue())
    assert second.getvalue() == "There are users already; nothing was made.\n"
