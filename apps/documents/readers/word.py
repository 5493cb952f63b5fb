"""Word files (.docx)."""

import io
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from apps.documents.readers import package, plain_text, web_page, xml_events
from apps.documents.readers.blocks import Blocks
from apps.documents.readers.limits import Limits
from apps.documents.readers.package import Package
from apps.documents.readers.progress import OnProgress, Steps, ignore
from apps.documents.readers.source import Source

TYPES = "[Content_Types].xml"
RELATIONSHIPS = "_rels/.rels"
#: Part of the document, unless the relationships name another.
DOCUMENT = "word/document.xml"

#: Elements that are left out with their content: deleted text, the old place of a moved passage, the copy for old
#: programs, readings above characters, and the format of a table.
_SKIPPED = frozenset({"del", "moveFrom", "Fallback", "rt", "tblPr"})
_CHARACTERS = {"tab": " ", "noBreakHyphen": "\u2011"}
_LINE_ENDS = ("br", "cr")
#: Characters of a field's instruction that are kept.
_INSTRUCTION_CHARACTERS = 100
_OFF = ("0", "false", "off")
_HEADING_STYLE = re.compile(r"heading ([1-8])", re.IGNORECASE)
#: Most styles of which each is based on the next.
_MAX_BASES = 20
#: Letters of the font "Symbol".
_GREEK = str.maketrans(
    "ABGDEZHQIKLMNXOPRSTUFCYWabgdezhqiklmnxoprstufcyw",
    "\u0391\u0392\u0393\u0394\u0395\u0396\u0397\u0398\u0399\u039a\u039b\u039c\u039d\u039e\u039f\u03a0\u03a1\u03a3\u03a4\u03a5\u03a6\u03a7\u03a8\u03a9"
    "\u03b1\u03b2\u03b3\u03b4\u03b5\u03b6\u03b7\u03b8\u03b9\u03ba\u03bb\u03bc\u03bd\u03be\u03bf\u03c0\u03c1\u03c3\u03c4\u03c5\u03c6\u03c7\u03c8\u03c9",
)


def claims(source: Source) -> bool:
    if not source.head.startswith(package.MAGICS):
        return False
    names = package.names(source)
    if names:
        return TYPES in names and any(name.startswith("word/") for name in names)
    return b"word/" in source.head or source.suffix == ".docx"


def check(source: Source, limits: Limits) -> None:
    with package.opened(source, limits) as parts:
        parts.require(_document_name(parts))


def read(source: Source, limits: Limits, on_progress: OnProgress) -> str:
    """Return the text of the document's body, each paragraph between empty lines.

    Inserted text is in it, and so are web pages and texts that the file embeds. Deleted and hidden text, tables of
    contents, footnotes, comments, headers and footers are not.
    """
    with package.opened(source, limits) as parts:
        name = _document_name(parts)
        parts.require(name)
        steps = Steps(on_progress, total=parts.size(name), what="Reading the Word file")
        return _text(parts, name, limits, on_bytes=steps.advance)


def _text(parts: Package, name: str, limits: Limits | None, on_bytes: Callable[[int], None] | None = None) -> str:
    with parts.open(name) as part:
        body = _Body(parts, name, limits)
        xml_events.parse(part, body, on_bytes=on_bytes)
    return body.blocks.text()


def _document_name(parts: Package) -> str:
    if RELATIONSHIPS in parts.names:
        found = _Relationships()
        xml_events.parse(io.BytesIO(parts.read(RELATIONSHIPS)), found)
        if found.document:
            return package.inside("", found.document.removeprefix("/"))
    return DOCUMENT


class _Styles(xml_events.Handler):
    """Collects the styles of hidden text, and the levels of those of headings."""

    def __init__(self) -> None:
        self.style = ""
        self.hidden: set[str] = set()
        self.levels: dict[str, int | None] = {}
        self.bases: dict[str, str] = {}

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        value = attributes.get("val", "")
        match name:
            case "style":
                self.style = attributes.get("styleId", "")
            case "vanish" if attributes.get("val", "1") not in _OFF:
                self.hidden.add(self.style)
            case "name" if value.lower().startswith("toc "):
                self.hidden.add(self.style)
            case "name" if value.lower() == "title":
                self.levels[self.style] = 0
            case "name" if heading := _HEADING_STYLE.fullmatch(value):
                self.levels[self.style] = int(heading[1])
            case "outlineLvl":
                self.levels.setdefault(self.style, _level(value))
            case "basedOn":
                self.bases[self.style] = value

    def level(self, style: str) -> int | None:
        """Return the level of a style's headings. None: it has none."""
        return next((self.levels[base] for base in self._bases(style) if base in self.levels), None)

    def is_hidden(self, style: str) -> bool:
        """Return whether a style is one of hidden text, or of lines of a table of contents."""
        return any(base in self.hidden for base in self._bases(style))

    def _bases(self, style: str) -> Iterator[str]:
        """Yield a style, and those that it is based on."""
        for _ in range(_MAX_BASES):
            yield style
            style = self.bases.get(style, "")


def _level(outline_level: str) -> int | None:
    """Return the level of a heading from its level in the outline, which counts from 0. 9 is that of text."""
    return int(outline_level) + 1 if outline_level in tuple("01234567") else None


def _styles(parts: Package, document: str) -> _Styles:
    name = package.inside(document, "styles.xml")
    styles = _Styles()
    if name in parts.names:
        with parts.open(name) as part:
            xml_events.parse(part, styles)
    return styles


class _Relationships(xml_events.Handler):
    """Finds the part that is the document, and all parts by their ids."""

    def __init__(self) -> None:
        self.document = ""
        self.targets: dict[str, str] = {}

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "Relationship":
            target = self.targets[attributes.get("Id", "")] = attributes.get("Target", "")
            if attributes.get("Type", "").endswith("/officeDocument"):
                self.document = target


class _Embedded:
    """Texts that a document embeds. Each is read once, by whatever names it is called.

    Parameters:
      limits: Of Word files in it. None: it is one itself, and has none.
    """

    def __init__(self, parts: Package, document: str, limits: Limits | None) -> None:
        self.parts = parts
        self.limits = limits
        self.document = document
        self.done: set[str] = set()

    @cached_property
    def targets(self) -> Mapping[str, str]:
        """Paths of parts by their ids."""
        folder, _, name = self.document.rpartition("/")
        relationships = f"{folder}/_rels/{name}.rels".lstrip("/")
        found = _Relationships()
        if relationships in self.parts.names:
            xml_events.parse(io.BytesIO(self.parts.read(relationships)), found)
        return found.targets

    def text(self, part_id: str) -> str:
        """Return the text of a part. Empty: it is of another kind, was read already, or is missing."""
        target = self.targets.get(part_id, "")
        part = package.inside("" if target.startswith("/") else self.document, target.removeprefix("/"))
        if part not in self.parts.names or part in self.done:
            return ""
        self.done.add(part)
        if part.lower().endswith(web_page.SUFFIXES):
            return web_page.text_of(web_page.decoded(self.parts.read(part)), on_progress=ignore)
        if part.lower().endswith(".docx") and self.limits:
            with package.opened(Source(io.BytesIO(self.parts.read(part))), self.limits) as parts:
                return _text(parts, _document_name(parts), None)
        return plain_text.decoded(self.parts.read(part)) if part.lower().endswith(".txt") else ""


class _Field:
    """A field, such as a page number or a table of contents. Its instruction comes before its text."""

    def __init__(self) -> None:
        #: Beginning of the instruction. Its first word tells the kind of the field.
        self.instruction = ""
        self.is_contents = False

    def add(self, text: str) -> None:
        if len(self.instruction) < _INSTRUCTION_CHARACTERS:
            self.instruction += text[:_INSTRUCTION_CHARACTERS]


class _Body(xml_events.Handler):
    """Collects the paragraphs of a document."""

    def __init__(self, parts: Package, name: str, limits: Limits | None) -> None:
        self.styles = _styles(parts, name)
        #: Level of the paragraph as a heading. None: it is text.
        self.level: int | None = None
        self.blocks = Blocks()
        self.embedded = _Embedded(parts, name, limits)
        #: First letter of the next paragraph, which stands in a paragraph of its own.
        self.drop_cap: list[str] = []
        self.is_drop_cap = self.is_hidden = self.is_hidden_paragraph = False
        #: Number of pieces at which the run of characters begins, and whether it is in superscript.
        self.run, self.is_raised = 0, False
        #: Number of open descriptions of a paragraph's format. An old one may be in the new one.
        self.format_depth = 0
        #: Begun paragraphs around the current one, which a text box in them has interrupted.
        self.around: list[list[str]] = []
        self.fields: list[_Field] = []
        #: Number of them that are tables of contents. A file may leave any number of fields open.
        self.contents_fields = 0
        #: For each open structured part, whether it is a table of contents, or waits for its text.
        self.structured: list[bool] = []
        self.skipped_depth = 0
        self.in_text = self.in_instruction = False

    @property
    def silent(self) -> bool:
        return (
            self.is_hidden
            or self.is_hidden_paragraph
            or bool(self.format_depth or self.skipped_depth)
            or any(self.structured)
            or bool(self.contents_fields)
        )

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        match name:
            case "t":
                self.in_text = True
            case "p":
                self.around.append(self.blocks.pieces)
                self.blocks.pieces, self.drop_cap = self.drop_cap, []
            case "pPr":
                self.format_depth += 1
            case "framePr":
                self.is_drop_cap = attributes.get("dropCap", "none") != "none"
            case "vanish" if not self.format_depth:
                self.is_hidden = attributes.get("val", "1") not in _OFF
            case "rStyle" if not self.format_depth:
                self.is_hidden = self.is_hidden or self.styles.is_hidden(attributes.get("val", ""))
            case "pStyle":
                self.is_hidden_paragraph = self.styles.is_hidden(attributes.get("val", ""))
                self.level = self.styles.level(attributes.get("val", ""))
            case "outlineLvl":
                self.level = _level(attributes.get("val", ""))
            case "sym" if not self.silent:
                self._symbol(attributes.get("char", ""), attributes.get("font", ""))
            case "altChunk":
                self.blocks.end()
                self.blocks.done += filter(None, [self.embedded.text(attributes.get("id", "")).strip()])
            case "instrText":
                self.in_instruction = True
            case "fldChar":
                self._field(attributes.get("fldCharType", ""))
            case "sdt":
                self.structured.append(False)
            case "docPartGallery" if self.structured:
                self.structured[-1] = attributes.get("val") == "Table of Contents"
            case "showingPlcHdr" if self.structured:
                self.structured[-1] = attributes.get("val", "1") not in _OFF
            case "r":
                self.run, self.is_raised = len(self.blocks.pieces), False
            case "vertAlign" if not self.format_depth:
                self.is_raised = attributes.get("val") == "superscript"
            case _ if name in _SKIPPED:
                self.skipped_depth += 1
            case _ if name in _CHARACTERS and not self.silent:
                self.blocks.add(_CHARACTERS[name])
            case _ if name in _LINE_ENDS and not self.silent:
                self.blocks.line_end()

    def end(self, name: str) -> None:
        match name:
            case "t":
                self.in_text = False
            case "r":
                self.is_hidden = False
                if self.is_raised:
                    self.blocks.drop_note_mark(self.run, is_raised=True)
            case "pPr":
                self.format_depth -= 1
            case "p":
                if self.is_drop_cap:
                    self.drop_cap, self.blocks.pieces = self.blocks.pieces, []
                    self.is_drop_cap = False
                self.is_hidden_paragraph = False
                if self.level is not None:
                    self.blocks.heading(self.level)
                self.blocks.end()
                self.level, self.blocks.mark = None, ""
                self.blocks.pieces = self.around.pop()
            case "instrText":
                self.in_instruction = False
            case "sdt":
                self.structured.pop()
            case _ if name in _SKIPPED:
                self.skipped_depth -= 1

    def data(self, text: str) -> None:
        if self.in_text and not self.silent:
            self.blocks.add(text)
        elif self.in_instruction and self.fields:
            self.fields[-1].add(text)

    def _symbol(self, code: str, font: str) -> None:
        point = int(code, 16) if re.fullmatch("[0-9A-Fa-f]{2,4}", code) else 0
        if font == "Symbol":
            self.blocks.add(chr(point & 0xFF).translate(_GREEK))
        elif 0x20 <= point < 0xD800:
            self.blocks.add(chr(point))

    def _field(self, kind: str) -> None:
        if kind == "begin":
            self.fields.append(_Field())
        elif self.fields and kind == "separate":
            field = self.fields[-1]
            was, field.is_contents = field.is_contents, field.instruction.split()[:1] == ["TOC"]
            self.contents_fields += field.is_contents - was
        elif self.fields and kind == "end":
            self.contents_fields -= self.fields.pop().is_contents
