"""Unreadable files are refused in a sentence for the writer, quickly, and without harm to the process."""

import io
import json
import os
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.documents import readers
from apps.documents.readers import Limits, UnreadableTextError, cage, isolated, package, pdf, plain_text
from apps.documents.readers.errors import ReadingTimeoutError
from apps.documents.readers.isolated import ReadingInterruptedError
from apps.documents.readers.progress import ignore
from apps.documents.readers.source import Source
from tests import manuscripts
from tests.manuscripts import REFUSED_AT_ONCE, REFUSED_WHEN_READ

#: The program of `python -m apps.documents.readers`.
RUN = "import runpy; runpy.run_module('apps.documents.readers', run_name='__main__')"
#: Time limit of a refusal, the start of a process included.
SECONDS = 60


def sentence(call: Callable[..., object], name: str, make: Callable[[], bytes], **more: Any) -> str:
    """Return the message for the writer. Fail if it takes long."""
    data = make()
    began = time.monotonic()
    with pytest.raises(UnreadableTextError) as told:
        call(io.BytesIO(data), filename=name, **more)
    assert time.monotonic() - began < SECONDS
    return str(told.value)


def read_or_refused(read: Callable[[], str]) -> tuple[str, str]:
    """Return the text, or the message for the writer. Any other error fails the test."""
    try:
        return read(), ""
    except UnreadableTextError as told:
        return "", str(told)


@pytest.mark.parametrize("case", REFUSED_AT_ONCE)
def test_a_fault_that_is_found_quickly_is_refused_at_upload(case: str) -> None:
    name, make, complaint = REFUSED_AT_ONCE[case]
    with pytest.raises(UnreadableTextError, match=complaint):
        readers.check(io.BytesIO(make()), filename=name)


@pytest.mark.parametrize("case", [*REFUSED_AT_ONCE, *REFUSED_WHEN_READ])
def test_a_fault_is_refused_when_the_file_is_read_too(case: str) -> None:
    name, make, complaint = {**REFUSED_AT_ONCE, **REFUSED_WHEN_READ}[case]
    told = sentence(readers.read, name, make)
    with pytest.raises(UnreadableTextError, match=complaint):
        raise UnreadableTextError(told)
    assert told[0].isupper()
    assert told.endswith(".")


@pytest.mark.parametrize("suffix", ["docx", "odt", "epub", "pdf"])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.6, 0.9, 0.99])
def test_a_file_that_was_cut_off_is_refused_or_read_in_part(suffix: str, share: float) -> None:
    whole = (manuscripts.WRITTEN_ELSEWHERE / f"three-chapters.{suffix}").read_bytes()
    text, told = read_or_refused(lambda: readers.read(whole[: int(len(whole) * share)], filename=f"novel.{suffix}"))
    if suffix == "pdf" and not told:
        assert "Bennet" in text
    else:
        assert "damaged" in told or "no text" in told


@pytest.mark.parametrize("suffix", ["docx", "odt", "epub"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_changed_bytes_is_refused_or_passes_and_nothing_else(suffix: str, data: st.DataObject) -> None:
    content = bytearray((manuscripts.WRITTEN_ELSEWHERE / f"three-chapters.{suffix}").read_bytes())
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    reader = next(
        reader
        for reader in readers.READERS
        if reader.__name__.endswith({"docx": "word", "odt": "open_document", "epub": "e_book"}[suffix])
    )
    source = Source(io.BytesIO(bytes(content)), filename=f"a.{suffix}")
    # In this process: any other error would end the process that reads.
    text, told = read_or_refused(lambda: reader.read(source, Limits(), ignore))
    assert told or text == "" or "\n" in text


def test_a_web_page_loads_nothing_and_runs_nothing(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret text")
    asked: list[bytes] = []
    with serving_once(asked) as port:
        here = f"http://127.0.0.1:{port}"
        page = f"""<!DOCTYPE html><html><head><title>T</title>
            <base href="{here}/"><link rel="stylesheet" href="a.css"><script src="a.js"></script>
            <meta http-equiv="refresh" content="0; url={here}"><style>@import "{here}/b.css"; p {{ color: red }}</style>
            </head><body onload="alert('loaded')"><p>Some words.</p><img src="{here}/a.png" alt="picture">
            <script>document.write("script text")</script><iframe src="file://{secret}"></iframe>
            <object data="{here}/o">object text</object><noscript>no script</noscript><template>templated</template>
            <svg><script>svg script</script><text>drawn</text></svg><p hidden>hidden words</p>
            <p>More <a href="javascript:alert(1)">words</a>.</p></body></html>"""
        text = readers.read(page.encode(), filename="novel.html")
    assert text == "Some words.\n\nMore words.\n"
    assert asked == []


def test_an_e_book_loads_nothing(tmp_path: Path) -> None:
    asked: list[bytes] = []
    with serving_once(asked) as port:
        remote = f'<item id="r" href="http://127.0.0.1:{port}/x.xhtml" media-type="application/xhtml+xml"/>'
        page = manuscripts.xhtml(f'<p>Some words.</p><img src="http://127.0.0.1:{port}/a.png"/>')
        assert readers.read(manuscripts.epub({"1.xhtml": page}), filename="a.epub") == "Some words.\n"
        with pytest.raises(UnreadableTextError, match="outside of it"):
            readers.read(
                manuscripts.epub({"1.xhtml": page}, manifest=remote, order=["1.xhtml", "r"]), filename="a.epub"
            )
    assert asked == []


@pytest.mark.parametrize(
    "address",
    [
        "//[", "http://[::1", "http://[x]/1.xhtml", "https://a:b/1.xhtml", "//\u2100/1.xhtml", "file:///etc/passwd",
        "x:", "",
        "?", "#", "%", "%00", "%FF%FE", "..%2F..%2Fetc%2Fpasswd", "%2e%2e/1.xhtml", "\\\\host\\1.xhtml", "1.xhtml%3Fa",
        "a/" * 50_000, "../" * 50_000, ".", "/", "1.xhtml?a=1#b", "\u202e1.xhtml",
    ],
    ids=lambda address: ascii(address[:20]),
)  # fmt: skip
@pytest.mark.parametrize("place", ["order", "contents", "container"])
def test_an_odd_address_in_an_e_book_is_refused_in_a_sentence_or_left_out(address: str, place: str) -> None:
    page = {"1.xhtml": manuscripts.xhtml("<p>Some words.</p>")}
    if place == "order":
        item = f'<item id="x" href="{address}" media-type="text/html"/>'
        data = manuscripts.epub(page, manifest=item, order=["1.xhtml", "x"])
    elif place == "contents":
        data = manuscripts.epub(page, manifest=f'<reference type="toc" href="{address}"/>')
    else:
        container: dict[str, Any] = {
            "META-INF/container.xml": f'<container><rootfile full-path="{address}"/></container>'
        }
        data = manuscripts.epub(page, **container)

    def check() -> str:
        readers.check(data, filename="a.epub")
        return ""

    _, told = read_or_refused(check)
    assert not told or told.endswith(".")


def test_an_address_that_is_none_is_outside_of_the_e_book() -> None:
    item = '<item id="x" href="//[" media-type="text/html"/>'
    with pytest.raises(UnreadableTextError, match=r"names a part '//\[', which is outside of it"):
        readers.check(manuscripts.epub({}, manifest=item, order=["x"]), filename="a.epub")


def test_an_error_that_a_check_does_not_expect_is_a_fault_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: Source, limits: Limits) -> None:
        raise KeyError("a part")

    monkeypatch.setattr(plain_text, "check", fail)
    with pytest.raises(UnreadableTextError, match="something in it breaks the program that reads it"):
        readers.check(b"Some words.")


@pytest.mark.parametrize(("size_bytes", "seconds", "memory_megabytes"), [(1_000, 20, 256), (2**21, 80, 320)])
def test_time_and_memory_of_reading_fit_the_size_of_the_file(
    monkeypatch: pytest.MonkeyPatch, size_bytes: int, seconds: int, memory_megabytes: int
) -> None:
    seen: list[Limits] = []

    def read(source: Source, limits: Limits, on_progress: object, *, reader: str) -> str:
        seen.append(limits)
        return "Some words."

    monkeypatch.setattr(isolated, "read", read)
    data = b"<html>" + b" " * (size_bytes - 6)
    readers.read(data, filename="a.html")
    readers.read(data, filename="a.html", limits=Limits(seconds=3, memory_bytes=7))
    assert [(limits.seconds, limits.memory_bytes // 2**20) for limits in seen] == [(seconds, memory_megabytes), (3, 0)]


class serving_once:  # noqa: N801 (used as a function)
    """A server that records its requests."""

    def __init__(self, asked: list[bytes]) -> None:
        import socket

        self.asked = asked
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.listen)

    def listen(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(1000))

    def __enter__(self) -> int:
        self.thread.start()
        return int(self.socket.getsockname()[1])

    def __exit__(self, *exception: object) -> None:
        import socket

        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join()


# --- Limits ---


def test_a_packed_file_may_unpack_to_so_much_and_no_more() -> None:
    picture: dict[str, Any] = {"word/media/picture": bytes(9_000_000)}
    data = manuscripts.docx(manuscripts.docx_paragraphs("Some words."), **picture)
    with pytest.raises(UnreadableTextError, match=r"The file unpacks to 8\.6 MB, and at most 5\.7 MB can be taken"):
        readers.check(data, filename="a.docx", limits=Limits(unpacked_bytes=6_000_000))
    readers.check(data, filename="a.docx", limits=Limits(unpacked_bytes=10_000_000))


def test_a_pdf_with_too_many_pages_is_refused_when_it_is_sent_in() -> None:
    data = manuscripts.pdf(*[manuscripts.text_lines("Some words.")] * 11)
    with pytest.raises(UnreadableTextError, match="The PDF has 11 pages, and at most 10 can be taken"):
        readers.check(data, filename="a.pdf", limits=Limits(pages=10))
    readers.check(data, filename="a.pdf", limits=Limits(pages=11))


@pytest.mark.usefixtures("patience")
def test_reading_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MEMORY_BYTES", 2 * 1024**3)
    began = time.monotonic()
    with pytest.raises(ReadingTimeoutError, match="took more than 1 seconds, and it was not done"):
        # Memory enough that time runs out first, also on a fast machine.
        readers.read(manuscripts.pdf_bomb(200), filename="a.pdf", limits=Limits(seconds=1, memory_bytes=2 * 1024**3))
    assert time.monotonic() - began < SECONDS


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory")
def test_reading_that_takes_too_much_memory_is_ended() -> None:
    data = b"<html>" + b"<p>words and words</p>" * 2_000_000
    with pytest.raises(
        UnreadableTextError, match=r"takes more than 96\.0 MB of memory|breaks the program that reads it"
    ):
        readers.read(data, filename="a.html", limits=Limits(memory_bytes=96 * 1024**2))


def test_a_file_that_unpacks_to_more_text_than_may_be_sent_is_refused() -> None:
    data = manuscripts.docx(manuscripts.docx_paragraphs("Some words. " * 1_000))
    with pytest.raises(UnreadableTextError, match="The text is 12,000 bytes, and at most 11,000 bytes can be taken"):
        readers.read(data, filename="a.docx", limits=Limits(text_bytes=11_000))
    assert readers.read(data, filename="a.docx", limits=Limits(text_bytes=12_000)).startswith("Some words.")


def test_a_page_of_comments_is_recognised_quickly() -> None:
    """A pattern that tries all ways to divide them would not end, in the process that answers requests."""
    data = b"<!---->" * 500 + b"Some words."
    assert sentence(readers.read, "novel.pdf", lambda: data).startswith("The file is called .pdf")
    assert readers.read(b"<!-- a --> <!-- b -->" + b"<html><p>Some words.</p></html>") == "Some words.\n"


def test_a_part_of_an_e_book_that_is_named_again_and_again_is_looked_at_once() -> None:
    item = f'<item id="a" href="1.xhtml" media-type="application/xhtml+xml" properties="{"a " * 500_000}"/>'
    page = manuscripts.xhtml("<p>Some words.</p>")
    parts = manuscripts.epub({"1.xhtml": page}, manifest=item, order=["a"] * 50_000)
    began = time.monotonic()
    readers.check(parts, filename="a.epub")
    assert time.monotonic() - began < SECONDS


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        pytest.param(b"\x01" * 4_000_000, "does not look like text", id="control characters"),
        pytest.param(b"a\n" * 2_000_000 + b"\x81\x8d\x8f\x90\x9d" * 2_000, "", id="lines"),
    ],
)
def test_looking_at_a_plain_text_takes_a_few_times_its_size(data: bytes, complaint: str) -> None:
    def check(data: bytes) -> str:
        readers.check(data, filename="novel.txt")
        return ""

    read_or_refused(lambda: check(data[-1_000:]))  # Loads the library that guesses encodings.
    tracemalloc.start()
    _, told = read_or_refused(lambda: check(data))
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert complaint in told
    assert peak_bytes < 6 * len(data)


def test_large_files_are_looked_at_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten writers at once would take ten times the memory, in one process."""
    at_once: list[int] = []
    inside: list[str] = []

    def watched(text: str) -> str:
        inside.append(threading.current_thread().name)
        for _ in range(1_000):
            at_once.append(len(inside))
            time.sleep(0)  # Lets the other threads run.
        inside.pop()
        return text

    monkeypatch.setattr(plain_text, "checked", watched)
    data = b"Some words.\n" * 400_000
    assert len(data) >= readers.LARGE_BYTES
    threads = [threading.Thread(target=readers.check, args=(data,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(at_once) == 4_000
    assert set(at_once) == {1}


def test_a_process_that_crashes_costs_its_file_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(
        isolated, "COMMAND", crashing(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    )
    with pytest.raises(UnreadableTextError, match="something in it breaks the program that reads it"):
        readers.read(manuscripts.pdf(b""), filename="a.pdf")


def test_a_process_that_was_ended_from_outside_is_no_fault_of_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(
        isolated, "COMMAND", crashing(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    )
    with pytest.raises(ReadingInterruptedError, match="ended by SIGKILL"):
        readers.read(manuscripts.pdf(b""), filename="a.pdf")
    # The writer does not wait: the file is read later.
    readers.check(manuscripts.pdf(b""), filename="a.pdf")


def test_a_library_that_is_missing_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = f"import sys; sys.modules['pypdfium2'] = None\nsys.path.insert(0, {str(cage.ROOT)!r})\n{RUN}"
    monkeypatch.setattr(isolated, "COMMAND", crashing(tmp_path, code))
    for call in (readers.read, readers.check):
        with pytest.raises(isolated.ReaderNotInstalledError, match="pypdfium2"):
            call(manuscripts.pdf(b""), filename="a.pdf")


def test_a_process_that_hangs_is_ended_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    monkeypatch.setattr(isolated, "COMMAND", crashing(tmp_path, code))
    monkeypatch.setattr(isolated, "PATIENCE", 1)
    with pytest.raises(ReadingInterruptedError, match="was not done in 3 seconds"):
        readers.read(manuscripts.pdf(b""), filename="a.pdf", limits=Limits(seconds=3))
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


def crashing(folder: Path, code: str) -> tuple[str, ...]:
    script = folder / "reader.py"
    script.write_text(code)
    return (sys.executable, str(script))


def test_the_process_that_reads_lives_on_when_a_machine_says_that_it_stops(tmp_path: Path) -> None:
    """Platforms send SIGTERM to every process; the worker then has some seconds to end its tasks."""
    arguments = {"reader": "word", "action": "read", "filename": "a.docx", "encoding": ""}
    order = json.dumps(
        {"work": isolated.READING, "arguments": arguments, "limits": {}, "seconds": 60, "parent": os.getpid()}
    )
    with (tmp_path / "a.docx").open("wb") as file:
        file.write((manuscripts.WRITTEN_ELSEWHERE / "three-chapters.docx").read_bytes())
    code = (
        "import os, signal, sys; from apps.documents.readers import word; read = word.read\n"
        "def stopped(*arguments):\n    os.kill(os.getpid(), signal.SIGTERM)\n    return read(*arguments)\n"
        f"word.read = stopped\n{RUN}"
    )
    with (tmp_path / "a.docx").open("rb") as file:
        done = subprocess.run(
            [sys.executable, "-c", code, order], stdin=file, capture_output=True, timeout=SECONDS, cwd=cage.ROOT
        )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines()[-1].endswith("Привет.".encode())


def test_the_process_that_reads_knows_no_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_KEY", "very-secret")
    seen = tmp_path / "environment"
    monkeypatch.setattr(
        isolated, "COMMAND", crashing(tmp_path, f"import os; open({str(seen)!r}, 'w').write(str(os.environ))")
    )
    with pytest.raises(UnreadableTextError):
        readers.read(manuscripts.pdf(b""), filename="a.pdf")
    assert "very-secret" not in seen.read_text()
    assert "DATABASE_URL" not in seen.read_text()


def test_nothing_is_unpacked_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for case in ("a hostile path", "an absolute path", "a path of Windows"):
        name, make, _ = REFUSED_AT_ONCE[case]
        with pytest.raises(UnreadableTextError):
            readers.read(make(), filename=name)
    assert list(tmp_path.iterdir()) == []
    assert not Path("/tmp/evil.txt").exists()
    assert not Path("/etc/cron.d/evil").exists()


@pytest.mark.parametrize(
    ("base", "path", "name"),
    [
        ("OEBPS/book.opf", "text/1.xhtml", "OEBPS/text/1.xhtml"),
        ("OEBPS/book.opf", "../1.xhtml", "1.xhtml"),
        ("book.opf", "./1.xhtml", "1.xhtml"),
        ("", "word/document.xml", "word/document.xml"),
    ],
)
def test_paths_are_found_from_the_part_they_stand_in(base: str, path: str, name: str) -> None:
    assert package.inside(base, path) == name


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "C:\\x", "..\\x", "c:/x"])
def test_paths_that_lead_outside_are_refused(path: str) -> None:
    with pytest.raises(UnreadableTextError, match="outside"):
        package.inside("book.opf", path)


def test_a_pdf_is_known_behind_some_bytes_of_something_else() -> None:
    data = b"\n\n" + manuscripts.pdf(manuscripts.text_lines("Some words."))
    assert pdf.claims(Source(io.BytesIO(data)))
    assert not pdf.claims(Source(io.BytesIO(b"I wrote %PDF- once.")))
