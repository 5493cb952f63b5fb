"""E-books (.epub)."""

import html.entities
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from apps.documents.analysis import vocabulary
from apps.documents.analysis.structure import AROUND
from apps.documents.readers import package, web_page, xml_events
from apps.documents.readers.errors import UnreadableTextError
from apps.documents.readers.limits import Limits
from apps.documents.readers.package import Package
from apps.documents.readers.progress import OnProgress, Steps, ignore
from apps.documents.readers.source import Source

MEDIA_TYPE = b"application/epub+zip"
NCX = "application/x-dtbncx+xml"
#: Fewest entries of a table of contents.
MIN_TARGETS = 2
CONTAINER = "META-INF/container.xml"
ENCRYPTION = "META-INF/encryption.xml"

#: Algorithms that hide fonts and leave the text readable. Any other is copy protection.
FONT_ALGORITHMS = frozenset({"http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"})

PROTECTED = "The e-book is protected against copying, so its text cannot be read. Send one without protection."
NO_ORDER = (
    "The e-book is damaged: it does not say which of its parts are to be read. "
    "Open it in the program that wrote it, save it again and send that."
)

PICTURES = (
    "There is no text in the e-book: its pages are pictures. "
    "Let a text recognition program (OCR) read it, or send the manuscript that it was made from."
)

#: Beginning of an address with a scheme or a host, which is no part of the book.
_ELSEWHERE = re.compile(r"\A(?:[A-Za-z][A-Za-z0-9+.-]*:|//)")
_PAGES = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml"})


def claims(source: Source) -> bool:
    if not source.head.startswith(package.MAGICS):
        return False
    names = package.names(source)
    return MEDIA_TYPE in source.head or CONTAINER in names or (not names and source.suffix == ".epub")


def check(source: Source, limits: Limits) -> None:
    with package.opened(source, limits) as parts:
        _opened(parts)


def read(source: Source, limits: Limits, on_progress: OnProgress) -> str:
    """Return the text of the book's pages in the order of reading, each paragraph between empty lines.

    No link is loaded. The book's own table of contents, and parts out of the order of reading, are left out.
    """
    with package.opened(source, limits) as parts:
        book = _opened(parts)
        pages = book.pages
        targets = _targets(parts, book)
        texts: list[str] = []
        steps = Steps(on_progress, total=len(pages), what="")
        for number, name in enumerate(pages, start=1):
            with parts.open(name) as part:
                page = web_page.decoded(part.read())
            texts.append(web_page.text_of(page, on_progress=ignore, targets=targets.get(name, {}) if targets else None))
            steps.what = f"Reading part {number:,} of {len(pages):,}"
            steps.advance(1)
    if not any(texts):
        raise UnreadableTextError(PICTURES)
    return "\n".join(text for text in texts if text)


def _opened(parts: Package) -> "_Book":
    """Return the description of the book, with the names of the parts to read, in order."""
    _check_protection(parts)
    parts.require(CONTAINER)
    container = _Container()
    xml_events.parse(io.BytesIO(parts.read(CONTAINER)), container)
    if not container.book:
        raise UnreadableTextError(NO_ORDER)
    book_name = package.inside("", container.book)
    book = _Book()
    xml_events.parse(io.BytesIO(parts.read(book_name)), book)
    book.name = book_name
    contents = {_path(href) for href in book.contents}
    found: dict[str, None] = {}
    # Each id once, although it may be named many times: its properties may be long.
    for item in dict.fromkeys(book.order):
        href, kind, properties = book.items.get(item, ("", "", ""))
        if kind in _PAGES and "nav" not in properties.split() and _path(href) not in contents:
            if _ELSEWHERE.match(href):
                raise package.points_outside(href)
            found[package.inside(book_name, _path(href))] = None  # A part named twice is read once.
    # Programs leave the names of parts that were taken out.
    book.pages = [name for name in found if name in parts.names]
    for name in list(found)[: not book.pages]:
        parts.require(name)
    if not book.pages:
        has_pictures = any(book.items.get(item, ("", ""))[1].startswith("image/") for item in book.order)
        raise UnreadableTextError(PICTURES if has_pictures else NO_ORDER)
    return book


def _targets(parts: Package, book: "_Book") -> dict[str, dict[str, tuple[int, str]]]:
    """Return the headings that the book's table of contents names, by part and id. Empty: it has no such table."""
    # A `nav` first: it is what newer programs show.
    items = sorted(book.items.values(), key=lambda item: "nav" not in item[2].split())
    hrefs = [href for href, kind, properties in items if kind == NCX or "nav" in properties.split()]
    names = [package.inside(book.name, _path(href)) for href in hrefs if not _ELSEWHERE.match(href)]
    # Each once, although many items may name it.
    for name in dict.fromkeys(names):
        found = _targets_in(parts, name, book.pages) if name in parts.names else {}
        if sum(level != AROUND for page in found.values() for level, _ in page.values()) >= MIN_TARGETS:
            return found
    return {}


def _targets_in(parts: Package, name: str, pages: list[str]) -> dict[str, dict[str, tuple[int, str]]]:
    contents = _Contents()
    try:
        xml_events.parse(io.BytesIO(parts.read(name)), contents, entities=html.entities.html5)
    except UnreadableTextError:
        return {}
    known = set(pages)
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for entry in contents.entries:
        if not entry.href or _ELSEWHERE.match(entry.href):
            continue
        page = package.inside(name, _path(entry.href)) if _path(entry.href) else name
        if page in known:
            label = " ".join("".join(entry.label).split())
            level = AROUND if vocabulary.is_around(label) else min(entry.level, AROUND - 1)
            found.setdefault(page, {})[unquote(entry.href.partition("#")[2])] = (level, label)
    return found


def _path(href: str) -> str:
    """Return the path in an address, without its place in the part."""
    return unquote(href.partition("#")[0].partition("?")[0])


def _check_protection(parts: Package) -> None:
    if ENCRYPTION in parts.names:
        encryption = _Encryption()
        xml_events.parse(io.BytesIO(parts.read(ENCRYPTION)), encryption)
        if not encryption.algorithms <= FONT_ALGORITHMS:
            raise UnreadableTextError(PROTECTED)


class _Container(xml_events.Handler):
    """Finds the part that describes the book."""

    def __init__(self) -> None:
        self.book = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "rootfile" and not self.book:
            self.book = attributes.get("full-path", "")


class _Book(xml_events.Handler):
    """Collects the parts of the book and their order."""

    def __init__(self) -> None:
        #: Path, media type and properties of each part, by its id.
        self.items: dict[str, tuple[str, str, str]] = {}
        self.order: list[str] = []
        self.name = ""
        self.pages: list[str] = []
        #: Addresses of pages that are tables of contents, in the way of older books. A place in a page is no page.
        self.contents: list[str] = []

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        match name:
            case "item":
                self.items[attributes.get("id", "")] = (
                    attributes.get("href", ""),
                    attributes.get("media-type", ""),
                    attributes.get("properties", ""),
                )
            case "itemref" if attributes.get("linear") != "no":
                self.order.append(attributes.get("idref", ""))
            case "reference" if attributes.get("type") == "toc" and "#" not in attributes.get("href", ""):
                self.contents.append(attributes.get("href", ""))


@dataclass
class _Entry:
    """A line of a table of contents."""

    level: int
    href: str = ""
    label: list[str] = field(default_factory=list)


class _Contents(xml_events.Handler):
    """Collects the entries of a table of contents, of both kinds: `nav` lists, and `navPoint`s of older books."""

    def __init__(self) -> None:
        self.entries: list[_Entry] = []
        self.depth = 0
        self.in_contents = self.in_label = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        match name:
            case "navMap":
                self.in_contents = True
            case "nav":
                kinds = f"{attributes.get('type', '')} {attributes.get('role', '')}".split()
                self.in_contents = bool({"toc", "doc-toc"} & {*kinds})
            case "navPoint" | "ol" if self.in_contents:
                self.depth += 1
                if name == "navPoint":
                    self.entries.append(_Entry(level=self.depth))
            case "a" if self.in_contents:
                self.entries.append(_Entry(level=self.depth, href=attributes.get("href", "")))
                self.in_label = True
            case "text" if self.in_contents:
                self.in_label = True
            case "content" if self.in_contents and self.entries:
                self.entries[-1].href = attributes.get("src", "")

    def end(self, name: str) -> None:
        match name:
            case "nav" | "navMap":
                self.in_contents = False
            case "navPoint" | "ol" if self.in_contents:
                self.depth -= 1
            case "a" | "text":
                self.in_label = False

    def data(self, text: str) -> None:
        if self.in_label and self.entries:
            self.entries[-1].label.append(text)


class _Encryption(xml_events.Handler):
    """Collects the algorithms by which parts are encrypted."""

    def __init__(self) -> None:
        self.algorithms: set[str] = set()

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "EncryptionMethod":
            self.algorithms.add(attributes.get("Algorithm", ""))
