"""A long text is analysed in a process that can be ended, with limits that fit its size."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from apps.documents.analysis import analysing
from apps.documents.analysis import findings as in_process
from apps.documents.readers import UnreadableTextError, isolated
from apps.documents.readers.errors import AnalysisTimeoutError
from apps.documents.services import findings

PARAGRAPH = "“The river is cold,” said Peter. He never swam home.\n\n"
BOOK = "A BOOK\n\n" + "".join(f"Chapter {number}\n\n{PARAGRAPH * 150}" for number in (1, 2, 3))


def ignore(share: float, what: str) -> None: ...


def answering(monkeypatch: pytest.MonkeyPatch, folder: Path, code: str) -> None:
    """Let this code take the place of the process."""
    script = folder / "process.py"
    script.write_text(code)
    monkeypatch.setattr(isolated, "COMMAND", (sys.executable, str(script)))


def test_a_long_text_has_the_same_figures_in_a_process_of_its_own() -> None:
    assert len(BOOK) > findings.ISOLATED_CHARACTERS
    found = findings.analyse(BOOK, on_progress=ignore)
    assert found == in_process.analyse(BOOK, words_per_minute=230)


def test_its_progress_is_reported_while_it_runs() -> None:
    told: list[tuple[float, str]] = []
    findings.analyse(BOOK, on_progress=lambda share, what: told.append((share, what)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1
    assert {what.partition(" ")[0] for _, what in told} <= {"", "Chapter"}


def test_a_short_text_starts_no_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answering(monkeypatch, tmp_path, "raise SystemExit(1)")
    assert findings.analyse(PARAGRAPH, on_progress=ignore).words == 10


def test_an_exception_in_the_task_ends_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Such as the exception of a time limit, or of a task that is cancelled."""
    pid_file = tmp_path / "pid"
    answering(
        monkeypatch,
        tmp_path,
        f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid()))\n"
        'print(\'{"share": 0.5, "what": ""}\', flush=True); time.sleep(600)',
    )

    def cancel(share: float, what: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        findings.analyse(BOOK, on_progress=cancel)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.usefixtures("patience")
def test_an_analysis_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 9))\nwhile True: pass"
    answering(monkeypatch, tmp_path, code)
    monkeypatch.setattr(findings, "SECONDS", 1)
    with pytest.raises(AnalysisTimeoutError, match="Analysing the text took more than 1 seconds, and it was not done"):
        findings.analyse(BOOK, on_progress=ignore)


def test_a_text_is_not_at_fault_if_the_machine_is_busy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its process comes after all others. One that computes for others must not cost a writer the text."""
    answering(monkeypatch, tmp_path, "import time; time.sleep(600)")
    monkeypatch.setattr(findings, "SECONDS", 1)
    monkeypatch.setattr(isolated, "PATIENCE", 1)
    with pytest.raises(isolated.ReadingInterruptedError, match="was not done in 1 seconds"):
        findings.analyse(BOOK, on_progress=ignore)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory")
def test_an_analysis_that_takes_too_much_memory_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "MEMORY_BYTES", 64 * 1024**2)
    with pytest.raises(UnreadableTextError, match=r"takes more than .* of memory|breaks the program"):
        findings.analyse(BOOK, on_progress=ignore)


def test_the_limits_fit_the_size_of_the_text() -> None:
    small, large = findings.limits_of(100_000), findings.limits_of(50 * 1024**2)
    assert small.seconds < 30
    assert 300 < large.seconds < 30 * 60
    assert small.memory_bytes < 600 * 1024**2 < large.memory_bytes


def test_an_answer_fits_the_size_of_the_text() -> None:
    """Decoding takes many times its size in the worker, and a text may have taken the process over."""
    assert findings.limits_of(20_000).text_bytes < 2 * 1024**2
    assert findings.limits_of(50 * 1024**2).text_bytes == analysing.ANSWER_BYTES


def test_a_text_of_too_many_chapters_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would be a row."""
    monkeypatch.setattr(findings, "MAX_CHAPTERS", 2)
    with pytest.raises(UnreadableTextError, match=r"The text has 3 chapters, and at most 2 can be taken\. Split it"):
        findings.analyse(BOOK, on_progress=ignore)


def test_a_short_text_has_room_for_no_more_chapters() -> None:
    """They are not counted there."""
    assert findings.MAX_CHAPTERS * len("1\n\n") > findings.ISOLATED_CHARACTERS


def figures(**changed: Any) -> bytes:
    content = asdict(in_process.analyse(f"Chapter 1\n\n{PARAGRAPH * 20}", words_per_minute=230))
    return json.dumps(content | changed).encode()


def test_an_answer_is_read() -> None:
    assert analysing.decoded(figures()).words == 202


@pytest.mark.parametrize(
    "changed",
    [
        {"words": -1},
        {"words": True},
        {"words": 2**31},
        {"sentences": "5"},
        {"reading_minutes": float("nan")},
        {"reading_ease": float("inf")},
        {"grade_level": 10**400},
        {"dialogue_share": "half"},
        {"language": "english"},
        {"keywords": [{"text": "a\x00b", "count": 1}]},
        {"keywords": [{"text": "half of a pair \ud83d", "count": 1}]},
        {"keywords": [{"text": "a" * 20_000, "count": 1}]},
        {"repeated_phrases": [1]},
        {"longest_sentences": None},
        {"chapters": [{"title": "a"}]},
        {"chapters": "abc"},
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(analysing.SenselessAnswerError):
        analysing.decoded(figures(**changed))


@pytest.mark.parametrize("answer", [b"", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_an_answer_of_another_kind_is_refused(answer: bytes) -> None:
    with pytest.raises(analysing.SenselessAnswerError):
        analysing.decoded(answer)


def test_the_writer_reads_a_sentence_when_the_answer_makes_no_sense(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answering(monkeypatch, tmp_path, "print('{\"bytes\": 2}', flush=True); print('{}', end='')")
    with pytest.raises(UnreadableTextError, match="The text could not be analysed: something in it breaks"):
        findings.analyse(BOOK, on_progress=ignore)
