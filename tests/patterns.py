"""Find the project's patterns, and the inputs on which a pattern takes more than linear time.

An input is a beginning, a pump many times and an end. All three are derived from the pattern: from one character of
each set of characters that it tells apart, and from shortest texts that its parts match.
"""

import ast
import importlib
import itertools
import pkgutil
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from types import ModuleType
from typing import Any

AnyPattern = re.Pattern[str] | re.Pattern[bytes]

PACKAGES = ("apps", "workers", "aiWriting")
#: Functions of `re` that take a pattern.
FUNCTIONS = frozenset({"compile", "match", "search", "fullmatch", "sub", "subn", "split", "findall", "finditer"})

#: Numbers of pumps at the first look. Exponential time is found at the first ones.
RAMP = (20, 40, 100, 500)
#: Numbers of pumps among which exponential time is found before it takes long.
STEPS = (16, 20, 24, 28, 32, 40, 50, 64, 80, 100)
#: Numbers of pumps at the second look, and the least growth from one to the next. Linear time grows by 2, quadratic
#: time by 4.
SIZES = (500, 1_000, 2_000)
GROWTH = 2.8
#: Growth to twice the pumps up to which a single look at each is enough. It is below GROWTH, as one look may err.
LINEAR = 2.3
#: Processor time from which on a second look is taken, and from which on no larger size is tried.
SUSPICIOUS_SECONDS, ENOUGH_SECONDS = 0.000_15, 0.05
REPEATS = 2
#: Characters of all kinds that patterns tell apart, besides those that the pattern names.
ALPHABET = "".join(map(chr, range(1, 127))) + "éÉ\u0301\u00a0\u2028“”\u2019…—中🙂\ufffe"
#: Largest number of pairs of characters that are tried.
PAIRS = 150


@dataclass(frozen=True, kw_only=True)
class Slow:
    """An input for which a pattern takes more than linear time."""

    method: str
    beginning: str
    pump: str
    end: str
    seconds: tuple[float, ...]

    def __str__(self) -> str:
        figures = ", ".join(f"{second * 1000:.1f} ms" for second in self.seconds)
        return f"{self.method}({self.beginning!r} + {self.pump!r} * n + {self.end!r}): {figures}"


# --- The project's patterns ---


def collected() -> dict[str, AnyPattern]:
    """Return the patterns of the project, each once, by a place where it stands.

    Raises:
      NameError: A function makes a pattern from its local names, so that it cannot be checked.
    """
    found: dict[AnyPattern, str] = {}
    for module in modules():
        for name, value in vars(module).items():
            for pattern in patterns_in(value):
                found.setdefault(pattern, f"{module.__name__}.{name}")
        for line, pattern in in_functions(Path(str(module.__file__)).read_text(), vars(module)):
            found.setdefault(pattern, f"{module.__name__}, line {line}")
    return {f"{place} {number}": pattern for number, (pattern, place) in enumerate(found.items())}


def modules() -> Iterator[ModuleType]:
    for package in map(importlib.import_module, PACKAGES):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations." not in found.name:
                yield importlib.import_module(found.name)


def patterns_in(value: object, depth: int = 4) -> Iterator[AnyPattern]:
    """Yield the patterns in a value: in collections, and in the attributes of our classes."""
    if isinstance(value, re.Pattern):
        yield value
    elif depth and isinstance(value, Mapping):
        yield from (found for pair in value.items() for part in pair for found in patterns_in(part, depth - 1))
    elif depth and isinstance(value, tuple | list | set | frozenset):
        yield from (found for part in value for found in patterns_in(part, depth - 1))
    elif depth and isinstance(value, type) and value.__module__.startswith(PACKAGES):
        yield from (found for part in vars(value).values() for found in patterns_in(part, depth - 1))


def in_functions(source: str, names: Mapping[str, object]) -> Iterator[tuple[int, AnyPattern]]:
    """Yield the patterns that functions make, with their lines. They are built from names of the module alone."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        for call in ast.walk(function):
            match call:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=name), args=[first, *_]) if (
                    name in FUNCTIONS
                ):
                    made = eval(compile(ast.Expression(first), "<pattern>", "eval"), dict(names))
                    flags = next((word.value for word in call.keywords if word.arg == "flags"), None)
                    if flags is None and name == "compile" and len(call.args) > 1:
                        flags = call.args[1]
                    told = eval(compile(ast.Expression(flags), "<flags>", "eval"), dict(names)) if flags else 0
                    yield call.lineno, made if isinstance(made, re.Pattern) else re.compile(made, told)


# --- Inputs ---


def inputs(pattern: AnyPattern) -> Iterator[tuple[str, str, str]]:
    """Yield beginnings, pumps and ends that may be hard for a pattern."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    tree = parser.parse(source, pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags)
    characters = told_apart(tree, pattern)
    beginnings, bodies = {"": None}, dict.fromkeys(characters)
    for before, body in repeats(tree):
        beginnings.setdefault(before)
        bodies |= dict.fromkeys(text for text in (before, *itertools.islice(body, 8)) if text)
    ends = ("", "\x00", "\n")
    yield from itertools.product(list(beginnings)[:10], bodies, ends)
    starts = [text for text in characters if text not in beginnings]
    yield from itertools.product(starts, characters, ("", "\x00"))
    pairs = itertools.islice(itertools.permutations(characters, 2), PAIRS)
    yield from itertools.product(("",), map("".join, pairs), ("", "\x00"))


def told_apart(tree: Any, pattern: AnyPattern) -> list[str]:
    """Return one character of each set of characters that a pattern tells apart."""
    flags = pattern.flags
    atoms = list(atoms_in(tree))
    named = {chr(code) for atom in atoms for code in codes_in(*atom)}
    alphabet = dict.fromkeys(" \n\ta1" + "".join(sorted(named)) + ALPHABET)
    if isinstance(pattern.pattern, bytes):
        alphabet = {character: None for character in alphabet if ord(character) < 256}
    chosen: dict[tuple[bool, ...], str] = {}
    for character in alphabet:
        chosen.setdefault(tuple(matches(atom, character, flags) for atom in atoms), character)
    return list(dict.fromkeys((*chosen.values(), " ", "\n")))


def atoms_in(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the parts of a pattern that match one character."""
    for code, value in tree:
        if code in (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY):
            yield code, value
        for part in parts_of(code, value):
            yield from atoms_in(part)


def parts_of(code: Any, value: Any) -> Iterable[Any]:
    """Return the patterns within a part of a pattern."""
    if code is op.BRANCH:
        return list(value[1])
    if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        return [value[2]]
    if code is op.SUBPATTERN:
        return [value[3]]
    if code is op.ATOMIC_GROUP:
        return [value]
    if code in (op.ASSERT, op.ASSERT_NOT):
        return [value[1]]
    return []


def codes_in(code: Any, value: Any) -> Iterator[int]:
    match code:
        case op.LITERAL | op.NOT_LITERAL:
            yield value
        case op.RANGE:
            yield from value
        case op.IN:
            for part in value:
                yield from codes_in(*part)


def matches(atom: tuple[Any, Any], character: str, flags: int) -> bool:
    forms = {character, character.lower(), character.upper()} if flags & re.IGNORECASE else {character}
    return any(matches_exactly(atom, form, flags) for form in forms)


def matches_exactly(atom: tuple[Any, Any], character: str, flags: int) -> bool:
    code, value = atom
    match code:
        case op.LITERAL:
            return bool(character == chr(value))
        case op.NOT_LITERAL:
            return bool(character != chr(value))
        case op.ANY:
            return character != "\n" or bool(flags & re.DOTALL)
        case op.RANGE:
            return bool(value[0] <= ord(character) <= value[1])
        case op.CATEGORY:
            name = str(value).rpartition("_")[2].lower()[0]
            is_in = re.match(f"\\{name}", character, flags & re.ASCII) is not None
            return is_in != ("_NOT_" in str(value))
        case op.IN:
            negated = value[0][0] is op.NEGATE
            return negated is not any(matches_exactly(part, character, flags) for part in value[negated:])
    return False


def repeats(tree: Any, before: str = "") -> Iterator[tuple[str, Iterator[str]]]:
    """Yield a text before each repeated part of a pattern, and the texts of which it takes many."""
    for code, value in tree:
        if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT) and value[1] > 3:
            yield before, samples(value[2])
        for part in parts_of(code, value):
            yield from repeats(part, before)
        before += next(samples([(code, value)]), "")


def samples(tree: Any) -> Iterator[str]:
    """Yield some short texts that a pattern may match. Assertions are not looked at."""
    texts = [""]
    for code, value in tree:
        more: list[str] = []
        if code in (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY):
            more = [next((one for one in "a 1.-_\n" + ALPHABET if matches_exactly((code, value), one, 0)), "")]
            if code is op.LITERAL:
                more = [chr(value)]
            elif code is op.IN:
                more = list(dict.fromkeys([*more, *map(chr, codes_in(code, value))]))[:3]
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            more = [text * max(value[0], 1) for text in itertools.islice(samples(value[2]), 2)]
        elif code not in (op.ASSERT, op.ASSERT_NOT):
            more = [text for part in parts_of(code, value) for text in itertools.islice(samples(part), 2)]
        texts = [text + end for text in texts for end in more or [""]][:8]
    yield from texts


# --- Time ---


def methods(pattern: AnyPattern) -> dict[str, Callable[[Any], object]]:
    """Return two ways to use a pattern. `search` and `match` do a part of what `finditer` does."""
    return {"finditer": lambda text: sum(1 for _ in pattern.finditer(text)), "fullmatch": pattern.fullmatch}


def slow(pattern: AnyPattern) -> Slow | None:
    """Return an input for which a pattern takes more than linear time. None: none was found."""
    for beginning, pump, end in dict.fromkeys(inputs(pattern)):

        def made(number: int, beginning: str = beginning, pump: str = pump, end: str = end) -> str | bytes:
            text = beginning + pump * number + end
            return text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")

        for method, call in methods(pattern).items():
            if is_suspicious(call, made) and (grown := grows(call, made)):
                return Slow(method=method, beginning=beginning, pump=pump, end=end, seconds=grown)
    return None


def is_suspicious(call: Callable[[Any], object], made: Callable[[int], str | bytes]) -> bool:
    """Return whether an input takes long, unless twice the most pumps of the first look take about twice as long."""
    for number in RAMP:
        taken = seconds(call, made(number))
        if taken > SUSPICIOUS_SECONDS:
            return number < RAMP[-1] or seconds(call, made(2 * number)) > LINEAR * taken
    return False


def grows(call: Callable[[Any], object], made: Callable[[int], str | bytes]) -> tuple[float, ...]:
    """Return the times of growing inputs if they grow by more than twice each time. Empty: they do not."""
    for number in STEPS:
        taken = seconds(call, made(number))
        if taken > ENOUGH_SECONDS:
            return (taken,)
    if seconds(call, made(SIZES[1])) < LINEAR * seconds(call, made(SIZES[0])):
        return ()
    times: list[float] = []
    for number in SIZES:
        text = made(number)
        times.append(min(seconds(call, text) for _ in range(REPEATS)))
        if len(times) > 1 and times[-1] < GROWTH * times[-2]:
            return ()
        if times[-1] > ENOUGH_SECONDS:
            break
    return tuple(times)


def seconds(call: Callable[[Any], object], text: str | bytes) -> float:
    """Return the processor time of a call. Other threads and processes do not add to it."""
    began = time.thread_time()
    call(text)
    return time.thread_time() - began
