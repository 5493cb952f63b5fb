"""Texts of exceptions: any exception has them, and they are bounded."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from workers.process.failure import ENTRY_LIMIT, FRAME_LIMIT, MESSAGE_LIMIT, TRACEBACK_LIMIT, Failure

#: Place of a syntax error as a parser may tell it: the column is a text.
BAD_PLACE: Any = ("book.md", 3, "7", "# x")


class HostileText(str):
    def __getitem__(self, key: Any) -> str:
        raise RuntimeError("no")

    def replace(self, *arguments: Any, **options: Any) -> str:
        raise RuntimeError("no")


class Meta(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__module__", "__qualname__", "__name__"):
            raise RuntimeError("no")
        return super().__getattribute__(name)


class ExitsError(Exception):
    def __str__(self) -> str:
        raise SystemExit("from __str__")

    def __repr__(self) -> str:
        raise KeyboardInterrupt


class HostileTextError(Exception):
    def __str__(self) -> str:
        return HostileText("told")


class HostileMetaError(Exception, metaclass=Meta):
    pass


def exits(error: BaseException) -> Any:
    raise SystemExit


hostile = dict.fromkeys(("__cause__", "__traceback__", "__class__"), property(exits))
HostileChainError = type("HostileChainError", (Exception,), hostile | {"__module__": __name__})


def looping() -> Exception:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    return first


def nested_group(depth: int) -> Exception:
    error: Exception = ValueError("inmost")
    for number in range(depth):
        error = ExceptionGroup(f"group {number}", [error])
    return error


def noted(note: Any) -> Exception:
    error = ValueError("noted")
    error.__notes__ = note
    return error


def attribute_of_an_odd_object() -> Exception:
    class Odd:
        def __dir__(self) -> Any:
            raise SystemExit

    return AttributeError("gone", name="gone", obj=Odd())


@pytest.mark.parametrize(
    ("make", "error_type", "message"),
    [
        (lambda: KeyError("isbn"), "KeyError", "'isbn'"),
        (lambda: ValueError(), "ValueError", "ValueError"),
        (lambda: SystemExit(3), "SystemExit", "3"),
        (lambda: asyncio.CancelledError(), "asyncio.exceptions.CancelledError", "CancelledError"),
        (
            lambda: SyntaxError("bad heading", BAD_PLACE),
            "SyntaxError",
            "bad heading (book.md, line 3)",
        ),
        (lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"), "UnicodeDecodeError", None),
        (lambda: ExitsError(), "tests.workers.test_failure.ExitsError", "ExitsError"),
        (lambda: HostileTextError(), "tests.workers.test_failure.HostileTextError", "told"),
        (lambda: HostileMetaError("told"), None, "told"),
        (lambda: HostileChainError("told"), "tests.workers.test_failure.HostileChainError", "told"),
        (lambda: looping(), "ValueError", "first"),
        (lambda: nested_group(5), "ExceptionGroup", "group 4 (1 sub-exception)"),
        (lambda: nested_group(5_000), "ExceptionGroup", None),
        (lambda: noted(7), "ValueError", "noted"),
        (lambda: noted([ExitsError()]), "ValueError", "noted"),
        (lambda: attribute_of_an_odd_object(), "AttributeError", "gone"),
        (lambda: ValueError("nul \x00 and \ud800"), "ValueError", "nul \ufffd and ?"),
    ],
)
def test_any_exception_has_texts(
    make: Callable[[], BaseException], error_type: str | None, message: str | None
) -> None:
    try:
        raise make()
    except BaseException as caught:
        failure = Failure.of(caught)
    assert error_type is None or failure.error_type == error_type
    assert message is None or failure.error_message == message
    assert "test_any_exception_has_texts" in failure.traceback
    assert "\x00" not in failure.error_type + failure.error_message + failure.traceback


def test_a_message_of_20_megabytes_is_kept_once_and_cut() -> None:
    failure = Failure.of(ValueError("x" * 20_000_000))
    assert failure.error_message == "x" * (MESSAGE_LIMIT - 1) + "…"
    assert len(failure.traceback) <= ENTRY_LIMIT + 1


def test_the_last_frames_of_a_deep_traceback_are_kept() -> None:
    def dive(depth: int) -> None:
        if not depth:
            raise ValueError("at the bottom")
        dive(depth - 1)

    try:
        dive(500)
    except ValueError as error:
        failure = Failure.of(error)
    assert 'raise ValueError("at the bottom")' in failure.traceback
    assert failure.traceback.endswith("ValueError: at the bottom\n")
    assert failure.traceback.count("in dive") <= FRAME_LIMIT


def test_endless_recursion_is_told_where_it_ended() -> None:
    def dive() -> None:
        dive()

    try:
        dive()
    except RecursionError as error:
        failure = Failure.of(error)
    assert failure.error_type == "RecursionError"
    assert "in dive" in failure.traceback


def test_a_long_chain_of_causes_is_cut_at_its_start() -> None:
    error = ValueError("first")
    for number in range(5_000):
        following = ValueError(f"number {number}")
        following.__cause__, error = error, following
    failure = Failure.of(error)
    assert len(failure.traceback) <= TRACEBACK_LIMIT
    assert failure.traceback.endswith("ValueError: number 4999\n")


def test_a_long_name_of_a_class_is_cut() -> None:
    assert len(Failure.of(type("E" * 1_000, (Exception,), {})()).error_type) == 255
