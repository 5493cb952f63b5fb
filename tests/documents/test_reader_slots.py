"""A machine reads as many files at once as it has memory for, in all its processes together."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from pytest_django import Settings

from apps.accounts.models import User
from apps.documents import readers
from apps.documents.readers import Limits, ReadersBusyError, cage, e_book, isolated, open_document, slots, word
from apps.documents.services.document_service import DocumentService
from apps.projects.models import Project
from apps.tasks import progress
from tests import manuscripts
from tests.waiting import wait_until

PDF = manuscripts.pdf(manuscripts.text_lines("Some words."))
ONE = Limits(at_once=1)
GENEROUS_SECONDS = 60


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for slots that no other session of the tests uses."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def all_held(kind: str, *, number: int = 1) -> Iterator[None]:
    with ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(slots.held(kind, number=number, wait_seconds=0))
        yield


@contextmanager
def share_held(kind: str, *, user_id: int, number: int) -> Iterator[None]:
    """Let a user hold as many of the slots as one may."""
    with ExitStack() as stack:
        with slots.of_user(user_id):
            for _ in range(number // 2):
                stack.enter_context(slots.held(kind, number=number, wait_seconds=0))
        yield


def test_a_slot_more_than_there_are_is_refused_and_one_that_is_free_again_is_taken() -> None:
    with all_held("read", number=3), pytest.raises(ReadersBusyError), all_held("read", number=3):
        pass
    with all_held("read", number=3):
        pass


def test_an_error_frees_the_slot() -> None:
    with pytest.raises(ZeroDivisionError), all_held("read"):
        raise ZeroDivisionError
    with all_held("read"):
        pass


def test_a_user_leaves_half_of_the_slots_to_others() -> None:
    with share_held("read", user_id=1, number=4):
        with pytest.raises(ReadersBusyError), slots.of_user(1), slots.held("read", number=4, wait_seconds=0):
            pass
        for other in (2, None):
            with slots.of_user(other), slots.held("read", number=4, wait_seconds=0):
                pass


def test_a_user_has_the_only_slot() -> None:
    with slots.of_user(1), all_held("read"):
        pass


def test_no_more_files_of_a_user_stand_in_line_than_the_user_may_hold_slots(folder: Path) -> None:
    """The rest waits for these. So a file of another user is among few that wait for the next slot."""
    done = threading.Semaphore(0)

    def read() -> None:
        with slots.of_user(1), slots.held("read", number=2, wait_seconds=GENEROUS_SECONDS):
            done.release()

    threads = [threading.Thread(target=read) for _ in range(5)]
    with all_held("read", number=2):
        for thread in threads:
            thread.start()
        wait_until(lambda: (folder / f"aiwriting-{os.geteuid()}-read-of-1-0").exists(), timeout=GENEROUS_SECONDS)
        assert len(list(folder.glob("*-read-of-1-*"))) == 1
        assert not done.acquire(blocking=False)
    for thread in threads:
        thread.join()
    assert list(folder.iterdir()) == []


def test_each_kind_has_slots_of_its_own() -> None:
    with all_held("read"), all_held("check"):
        pass


def test_processes_share_the_slots_and_one_that_dies_frees_its_own(folder: Path) -> None:
    code = (
        f"import tempfile; tempfile.tempdir = {str(folder)!r}\nfrom apps.documents.readers import slots\n"
        "with slots.held('read', number=1, wait_seconds=0):\n    print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=cage.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ReadersBusyError), all_held("read"):
            pass
        other.kill()
    with all_held("read"):
        pass


def test_a_task_waits_for_a_slot_and_says_so() -> None:
    said: list[str] = []
    texts: list[str] = []

    def read() -> None:
        texts.append(readers.read(PDF, filename="a.pdf", limits=ONE, on_progress=lambda share, what: said.append(what)))

    with all_held("read"):
        thread = threading.Thread(target=read)
        thread.start()
        wait_until(lambda: said == [isolated.WAITING], timeout=GENEROUS_SECONDS)
    thread.join()
    assert said[0] == isolated.WAITING
    assert texts == ["Some words.\n"]


def test_a_writer_does_not_wait_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "CHECK_WAIT_SECONDS", 0)
    with all_held("check"), pytest.raises(ReadersBusyError, match=r"Send this one again in a few seconds\."):
        readers.check(PDF, filename="a.pdf", limits=ONE)
    readers.check(PDF, filename="a.pdf", limits=ONE)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """A machine with four slots, two of them for checks, on which no file waits."""
    settings.READERS_AT_ONCE = 4
    monkeypatch.setattr(isolated, "CHECK_WAIT_SECONDS", 0)
    monkeypatch.setattr(isolated, "READ_WAIT_SECONDS", 0)


def test_uploads_of_one_user_turn_away_none_of_another(project: Project, impatient: None) -> None:
    owner_id = project.owner_id

    def upload(*, sender_id: int) -> None:
        DocumentService.create(project=project, title="A", data=PDF, filename="a.pdf", sender_id=sender_id)

    with share_held("check", user_id=owner_id, number=2):
        with pytest.raises(ReadersBusyError):
            upload(sender_id=owner_id)
        upload(sender_id=User.objects.create_user("anna").pk)


@pytest.mark.parametrize("is_started_by_another", [False, True])
def test_texts_of_one_user_hold_up_none_of_another(
    project: Project, impatient: None, is_started_by_another: bool
) -> None:
    """They count to the user who started the task, as the task does, or to the owner of the project."""
    document = DocumentService.create(project=project, title="A", text="Some words. " * 2_000)
    starter_id = User.objects.create_user("anna").pk if is_started_by_another else project.owner_id
    with ExitStack() as stack:
        if is_started_by_another:
            progress.bind(progress.Reporter(message=SimpleNamespace(owner_id=starter_id)))
            stack.callback(progress.unbind)
        with share_held("read", user_id=starter_id, number=4), pytest.raises(ReadersBusyError):
            DocumentService.process_document(document)
        with share_held("read", user_id=starter_id + 1_000, number=4):
            assert DocumentService.process_document(document).words == 4_000


@pytest.mark.parametrize("name", ["novel.docx", "novel.odt", "novel.epub"])
def test_xml_is_parsed_in_a_process_of_its_own_at_upload(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It compresses well: some KB would hold the process that answers requests for seconds."""
    reader = {"docx": word, "odt": open_document, "epub": e_book}[name.rpartition(".")[2]]
    monkeypatch.setattr(reader, "check", lambda *arguments: pytest.fail("It was parsed here."))
    files = {
        "novel.docx": manuscripts.docx(manuscripts.docx_paragraphs("Some words.")),
        "novel.odt": manuscripts.odt("<text:p>Some words.</text:p>"),
        "novel.epub": manuscripts.epub({"1.xhtml": manuscripts.xhtml("<p>Some words.</p>")}),
    }
    readers.check(files[name], filename=name)


def test_a_large_text_takes_a_slot_in_the_process_that_checks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "CHECK_WAIT_SECONDS", 0)
    large = b"Some words.\n" * 400_000
    assert len(large) >= readers.LARGE_BYTES
    with all_held("check"):
        with pytest.raises(ReadersBusyError):
            readers.check(large, filename="a.txt", limits=ONE)
        readers.check(b"Some words.", filename="a.txt", limits=ONE)


def test_long_tasks_keep_no_writer_from_sending_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "CHECK_WAIT_SECONDS", 0)
    with all_held("read"):
        readers.check(PDF, filename="a.pdf", limits=ONE)


def test_the_number_of_slots_follows_the_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    gigabyte = 1024**3
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(slots, "CONTAINER_LIMITS", (tmp_path / "none", limit))
    monkeypatch.setattr(slots, "processors", lambda: 64)
    limit.write_text("max\n")
    machine = slots.machine_bytes()
    assert machine > gigabyte // 2
    limit.write_text(f"{gigabyte // 2}\n")
    assert slots.machine_bytes() == gigabyte // 2
    assert slots.count(memory_bytes=gigabyte // 16) == 4
    # A small machine reads one file after the other.
    assert slots.count(memory_bytes=gigabyte) == 1
    limit.write_text(f"{machine * 1_000}\n")
    assert slots.machine_bytes() == machine


def test_the_number_of_slots_follows_the_processors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(slots, "CONTAINER_QUOTA", quota)
    machine = slots.processors()
    assert machine >= 1
    for text, processors in [("max 100000\n", machine), ("50000 100000\n", 1), ("1000000000 100000\n", machine)]:
        quota.write_text(text)
        assert slots.processors() == processors
    monkeypatch.setattr(slots, "processors", lambda: 3)
    assert slots.count(memory_bytes=1) == 2 * 3


def test_a_free_slot_leaves_no_file(folder: Path) -> None:
    with all_held("read", number=2):
        assert len(list(folder.iterdir())) == 2
    assert list(folder.iterdir()) == []


def test_a_link_of_another_user_is_not_followed(folder: Path) -> None:
    target = folder / "target"
    (folder / f"aiwriting-{os.geteuid()}-read-0").symlink_to(target)
    with all_held("read"):
        pass
    assert not target.exists()


@pytest.mark.parametrize("kind", ["a link", "a folder", "a pipe", "a file"])
def test_something_of_another_user_in_the_place_of_a_slot_takes_none(folder: Path, kind: str) -> None:
    if kind == "a file" and os.geteuid() != 0:
        pytest.skip("only root gives files away")
    for index in range(2):
        path = folder / f"aiwriting-{os.geteuid()}-read-{index}"
        match kind:
            case "a link":
                path.symlink_to(folder / "target")
            case "a folder":
                path.mkdir()
            case "a pipe":
                os.mkfifo(path)
            case _:
                path.touch()
                os.chown(path, 1, 1)
    with all_held("read", number=2), pytest.raises(ReadersBusyError), all_held("read"):
        pass
    with all_held("read", number=2):
        pass


def test_a_folder_full_of_other_users_files_is_busy_and_the_log_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for index in range(1 + slots.FOREIGN_FILES):
        (folder / f"aiwriting-{os.geteuid()}-read-{index}").mkdir()
    with pytest.raises(ReadersBusyError), all_held("read"):
        pass
    assert f"reader slots cannot be made folder={folder}" in caplog.text


def test_many_threads_share_few_slots() -> None:
    """A file that its holder removes is locked by no second one."""
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(30):
            with slots.held("read", number=2, wait_seconds=GENEROUS_SECONDS):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 180
    assert max(most) <= 2
