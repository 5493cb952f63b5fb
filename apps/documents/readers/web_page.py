"""Web pages (HTML), and the XHTML that e-books are made of."""

import codecs
import html.entities
import io
import re
from collections.abc import Callable, Mapping

from apps.documents.analysis import structure
from apps.documents.analysis.vocabulary import is_contents
from apps.documents.readers import plain_text, signatures, xml_events
from apps.documents.readers.blocks import Blocks, joined
from apps.documents.readers.content import NOT_TEXT
from apps.documents.readers.errors import UnreadableTextError
from apps.documents.readers.limits import Limits
from apps.documents.readers.progress import OnProgress, Steps
from apps.documents.readers.source import Source

SUFFIXES = (".html", ".htm", ".xhtml", ".xht")

#: Level and label of each heading, by the id of its element. The empty id is the beginning of the page.
Targets = Mapping[str, tuple[int, str]]

#: Characters that are parsed at a time.
PIECE_CHARACTERS = 64 * 1024
#: Most open elements. For each end tag, the parser may look at all of them.
MAX_OPEN = 10_000
#: Fewest links in a row, with no other text between them, that are a table of contents.
CONTENTS_LINKS = 3

NO_PAGE = (
    "The web page is damaged: nothing in it makes sense as one. "
    "Save your manuscript again, or as plain text (.txt, UTF-8), and send that."
)

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*+=\s*+["']?\s*+([\w:.-]{1,40})""", re.IGNORECASE)
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]{0,100}?encoding\s*=\s*["']([\w:.-]{1,40})""")
_IS_XML = re.compile(r"\A\s*(?:<\?xml\b|<html\b[^>]{0,500}\bxmlns\s*=)", re.IGNORECASE)
_SCHEME = re.compile(r"^(?:[A-Za-z][A-Za-z0-9+.-]*:|//)")

#: Codecs of Python's that are no encodings of a page. Some take quadratic time.
_NO_ENCODINGS = frozenset(
    codecs.lookup(name).name for name in ("idna", "punycode", "raw_unicode_escape", "undefined", "unicode_escape")
)
#: Elements that are left out with their content.
_SKIPPED = frozenset(
    {
        "head", "script", "style", "template", "noscript", "nav", "svg", "math", "iframe", "frameset", "object",
        "applet", "audio", "video", "canvas", "select", "textarea", "button", "datalist", "rt", "rp", "del",
    }
)  # fmt: skip
#: Levels of headings.
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
#: Kinds of elements that are left out, in `epub:type` and `role`: notes, their marks, and page numbers of print.
_SKIPPED_KINDS = frozenset(
    {
        "noteref", "footnote", "footnotes", "endnote", "endnotes", "rearnote", "rearnotes", "pagebreak", "page-list",
        "doc-noteref", "doc-footnote", "doc-endnote", "doc-endnotes", "doc-pagebreak", "doc-pagelist", "doc-backlink",
    }
)  # fmt: skip
#: Classes of the same, as Project Gutenberg, pandoc, LibreOffice and Word write them.
_SKIPPED_CLASSES = frozenset(
    {
        "pagenum", "pageno", "page-number", "pagenumber", "footnote", "footnotes", "endnote", "endnotes", "fnanchor",
        "footnote-ref", "noteref", "sdfootnote", "sdfootnoteanc", "sdendnote", "sdendnoteanc", "msofootnotetext",
        "msofootnotereference", "msoendnotetext", "msoendnotereference", "x-ebookmaker-pageno", "visually-hidden",
        "sr-only", "screen-reader-text", "mw-editsection", "reference", "references", "reflist",
    }
)  # fmt: skip
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d])", re.IGNORECASE)
#: A rule of a style sheet for a class.
_RULE = re.compile(r"\.([\w-]{1,100})\s*+\{([^{}]{0,1000})\}")
_BLOCKS = frozenset(
    {
        *_HEADINGS,
        "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "div",
        "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "html", "legend",
        "li", "main", "menu", "ol", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot", "th", "thead",
        "tr", "ul",
    }
)  # fmt: skip


def claims(source: Source) -> bool:
    if signatures.is_html(source.head):
        return True
    return source.suffix in SUFFIXES and signatures.recognised(source.head) is None


def check(source: Source, limits: Limits) -> None:
    """Find nothing: the faults of a page show when it is read."""


def read(source: Source, limits: Limits, on_progress: OnProgress) -> str:
    """Return the text that a browser would show, each paragraph between empty lines. No link is loaded, no script run.

    Navigation, lists of links to the page's own parts, notes and their marks, page numbers of print, what is hidden,
    forms and scripts are left out.
    """
    return text_of(decoded(source.content(), encoding=source.encoding), on_progress=on_progress)


def decoded(data: bytes, *, encoding: str = "") -> str:
    """Decode a page by the writer's choice, its byte order mark, the encoding that it declares, or as plain text."""
    declared = _CHARSET.search(data, 0, 4096) or _ENCODING.search(data, 0, 200)
    if declared and not encoding and not data.startswith(plain_text.MARKS):
        try:
            codec = codecs.lookup(declared[1].decode("ascii"))
            if codec.name not in _NO_ENCODINGS:
                return data.decode(codec.name)
        except (LookupError, UnicodeError):
            pass  # The declared encoding is wrong, as in pages that were saved again.
    return plain_text.decoded(data, encoding=encoding)


def text_of(
    page: str, *, on_progress: OnProgress, what: str = "Reading the web page", targets: Targets | None = None
) -> str:
    """Return the text of a page.

    Parameters:
      targets: The headings, in place of those that the page marks.

    Raises:
      UnreadableTextError: It holds characters that only programs use, or makes no sense.
    """
    if "\x00" in page:
        raise UnreadableTextError(NOT_TEXT)
    if _IS_XML.match(page):
        # An element without content, such as `<title/>`, ends there in XML. In HTML it would contain the whole page.
        try:
            return _of_xml(page, Page(targets), on_progress, what)
        except xml_events.NotWellFormedError:
            pass
    return _of_html(page, Page(targets), on_progress, what)


def _of_xml(page: str, found: "Page", on_progress: OnProgress, what: str) -> str:
    data = re.sub(r"^\s*<\?xml[^>]*\?>", "", page, count=1).lstrip().encode()
    steps = Steps(on_progress, total=len(data), what=what)
    xml_events.parse(io.BytesIO(data), found, on_bytes=steps.advance, entities=html.entities.html5)
    return found.text()


def _of_html(page: str, found: "Page", on_progress: OnProgress, what: str) -> str:
    from lxml import etree

    target = _Target(found)
    parser = etree.HTMLParser(target=target, encoding="utf-8", huge_tree=True)
    steps = Steps(on_progress, total=len(page), what=what)
    try:
        for start in range(0, len(page), PIECE_CHARACTERS):
            piece = page[start : start + PIECE_CHARACTERS]
            parser.feed(piece.encode())
            steps.advance(len(piece))
        parser.close()
    except etree.LxmlError:
        raise UnreadableTextError(NO_PAGE) from None
    return found.text()


class _Target:
    """Adapts a page handler to lxml."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.depth = 0
        self.data: Callable[[str], None] = page.data

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.depth += 1
        if self.depth > MAX_OPEN:
            raise UnreadableTextError(NO_PAGE)
        self.page.start(name, attributes)

    def end(self, name: str) -> None:
        self.depth -= 1
        self.page.end(name)

    def close(self) -> None: ...


class Page(xml_events.Handler):
    """Collects the paragraphs of a page from its elements."""

    def __init__(self, targets: Targets | None = None) -> None:
        self.blocks = Blocks()
        self.has_targets = targets is not None
        #: Headings whose places are not found yet.
        self.targets = dict(targets or {})
        #: Levels and labels of the next paragraph, to which a table of contents points.
        self.here = [self.targets.pop("")] if "" in self.targets else []
        #: For each paragraph, the number of links that it consists of. 0: it has other text, too.
        self.links: list[int] = []
        self.links_here = 0
        self.other_text = False
        self.in_link = False
        #: Number of pieces of the paragraph at which the link begins.
        self.link = 0
        #: Level of the open heading. 0: it is no heading.
        self.in_heading = 0
        self.pre_depth = self.skipped_depth = 0
        self.in_style = False
        #: Classes of what is left out.
        self.hidden = set(_SKIPPED_CLASSES)
        #: Number of pieces of the paragraph at which a superscript begins. None: there is none.
        self.superscript: int | None = None
        #: Next number of each open list, the innermost last. None: a list without numbers.
        self.lists: list[int | None] = []
        #: Number of a list item, to be added before its first word.
        self.label = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        name = name.lower()
        places = (attributes.get("id", ""), attributes.get("name", "")) if self.targets else ()
        for target in [self.targets.pop(place) for place in places if place in self.targets]:
            if name in _BLOCKS and not self.skipped_depth:
                self._end_block()
            self.here.append(target)
        self.in_style = name == "style"
        if self.skipped_depth or name in _SKIPPED or self._is_left_out(attributes):
            self.skipped_depth += 1
            return
        if name in _BLOCKS:
            self._end_block()
        match name:
            case "br":
                self.blocks.line_end()
            case "sup":
                self.superscript = len(self.blocks.pieces)
            case "a":
                href = attributes.get("href")
                self.in_link = href is not None and not _SCHEME.match(href)
                self.links_here += self.in_link
                self.link = len(self.blocks.pieces)
            case "img" if len(attributes.get("alt", "")) == 1 and attributes["alt"].isalpha():
                self.blocks.add(attributes["alt"])  # A large first letter.
            case "q":
                self.blocks.add("\u201c")
            case "pre":
                self.pre_depth += 1
            case "ul":
                self.lists.append(None)
            case "ol":
                start = attributes.get("start", "1")
                self.lists.append(int(start) if start.isascii() and start.isdecimal() and len(start) < 6 else 1)
            case "li" if self.lists and (number := self.lists[-1]) is not None:
                self.label = f"{number}. "
                self.lists[-1] = number + 1
            case _ if name in _HEADINGS:
                self.in_heading = _HEADINGS[name]

    def end(self, name: str) -> None:
        self.in_style = False
        if self.skipped_depth:
            self.skipped_depth -= 1
            return
        name = name.lower()
        if name in _BLOCKS:
            if name == "li":
                self._add_label()
            self._end_block()
        match name:
            case "sup" if self.superscript is not None:
                self.blocks.drop_note_mark(self.superscript, is_raised=True)
                self.superscript = None
            case "a":
                if self.in_link:
                    self.blocks.drop_note_mark(self.link, is_raised=self.superscript is not None, is_link=True)
                self.in_link = False
            case "q":
                self.blocks.add("\u201d")
            case "pre" if self.pre_depth:
                self.pre_depth -= 1
            case "ul" | "ol" if self.lists:
                self.lists.pop()

    def data(self, text: str) -> None:
        if self.in_style:
            self.hidden |= {rule[1].lower() for rule in _RULE.finditer(text) if _INVISIBLE.search(rule[2])}
        if self.skipped_depth:
            return
        if not text.isspace():
            self._add_label()
            self.other_text = self.other_text or not self.in_link
        if self.pre_depth:
            self.blocks.add_as_it_is(text)
        else:
            self.blocks.add(text)

    def text(self) -> str:
        """Return all paragraphs, without tables of contents that consist of links."""
        self._end_block()
        if self.targets and self.blocks.done and not self.blocks.done[0].startswith(structure.MARK):
            # Its place is not in the page, so a link to it leads to the beginning.
            self.blocks.done[0] = structure.mark(*next(iter(self.targets.values()))) + self.blocks.done[0]
        kept: list[str] = []
        index = 0
        while index < len(self.links):
            stop = index
            while stop < len(self.links) and self.links[stop]:
                stop += 1
            if sum(self.links[index:stop]) >= CONTENTS_LINKS:
                if kept and is_contents(kept[-1].rpartition("\n")[2]):
                    kept.pop()
            else:
                kept.extend(self.blocks.done[index:stop])
            if stop < len(self.links):
                kept.append(self.blocks.done[stop])
            index = stop + 1
        self.blocks.done = kept
        return self.blocks.text()

    def _add_label(self) -> None:
        if self.label:
            self.blocks.add(self.label)
            self.label = ""

    def _end_block(self) -> None:
        heading = joined(self.blocks.pieces) if self.here or self.in_heading else ""
        if heading and self.here:
            *around, (level, label) = self.here
            for level_around, label_around in around:
                self.blocks.heading(level_around, label_around)
            self.blocks.heading(level, label if not self.in_heading or structure.is_longer(label, heading) else "")
            self.here = []
        elif heading and self.in_heading and not self.has_targets:
            self.blocks.heading(self.in_heading)
        if self.blocks.end():
            self.links.append(0 if self.other_text or self.in_heading else self.links_here)
        self.links_here = self.in_heading = 0
        self.other_text = False

    def _is_left_out(self, attributes: Mapping[str, str]) -> bool:
        """Return whether an element is hidden, a note, a mark of a note, or a page number of print."""
        if not attributes:
            return False
        kinds = f"{attributes.get('epub:type', attributes.get('type', ''))} {attributes.get('role', '')}".split()
        return (
            "hidden" in attributes
            or not _SKIPPED_KINDS.isdisjoint(kinds)
            or not self.hidden.isdisjoint(attributes.get("class", "").lower().split())
            or _INVISIBLE.search(attributes.get("style", "")) is not None
        )
