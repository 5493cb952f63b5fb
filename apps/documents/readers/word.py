"""Word files (.docx)."""

import io
from collections.abc import Mapping

from apps.documents.readers import package, xml_events
from apps.documents.readers.blocks import Blocks
from apps.documents.readers.limits import Limits
from apps.documents.readers.package import Package
from apps.documents.readers.progress import OnProgress, Steps
from apps.documents.readers.source import Source

TYPES = "[Content_Types].xml"
RELATIONSHIPS = "_rels/.rels"
#: Part of the document, unless the relationships name another.
DOCUMENT = "word/document.xml"

#: Elements that are left out with their content: deleted text, the old place of a moved passage, the copy for old
#: programs, and the format of a paragraph.
_SKIPPED = frozenset({"del", "moveFrom", "Fallback", "pPr", "tblPr"})
_CHARACTERS = {"tab": " ", "noBreakHyphen": "\u2011"}
_LINE_ENDS = ("br", "cr")


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

    Inserted text is in it. Deleted text, tables of contents, footnotes, comments, headers and footers are not.
    """
    with package.opened(source, limits) as parts:
        name = _document_name(parts)
        with parts.open(name) as part:
            steps = Steps(on_progress, total=parts.size(name), what="Reading the Word file")
            body = _Body()
            xml_events.parse(part, body, on_bytes=steps.advance)
    return body.blocks.text()


def _document_name(parts: Package) -> str:
    if RELATIONSHIPS in parts.names:
        found = _Relationships()
        xml_events.parse(io.BytesIO(parts.read(RELATIONSHIPS)), found)
        if found.document:
            return package.inside("", found.document.removeprefix("/"))
    return DOCUMENT


class _Relationships(xml_events.Handler):
    """Finds the part that is the document."""

    def __init__(self) -> None:
        self.document = ""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "Relationship" and attributes.get("Type", "").endswith("/officeDocument"):
            self.document = attributes.get("Target", "")


class _Field:
    """A field, such as a page number or a table of contents. Its instruction comes before its text."""

    def __init__(self) -> None:
        self.instruction = ""
        self.is_contents = False


class _Body(xml_events.Handler):
    """Collects the paragraphs of a document."""

    def __init__(self) -> None:
        self.blocks = Blocks()
        #: Begun paragraphs around the current one, which a text box in them has interrupted.
        self.around: list[list[str]] = []
        self.fields: list[_Field] = []
        #: For each open structured part, whether it is a table of contents.
        self.structured: list[bool] = []
        self.skipped_depth = 0
        self.in_text = self.in_instruction = False

    @property
    def silent(self) -> bool:
        return bool(self.skipped_depth) or any(self.structured) or any(field.is_contents for field in self.fields)

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        match name:
            case "t":
                self.in_text = True
            case "p":
                self.around.append(self.blocks.pieces)
                self.blocks.pieces = []
            case "instrText":
                self.in_instruction = True
            case "fldChar":
                self._field(attributes.get("fldCharType", ""))
            case "sdt":
                self.structured.append(False)
            case "docPartGallery" if self.structured:
                self.structured[-1] = attributes.get("val") == "Table of Contents"
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
            case "p":
                self.blocks.end()
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
            self.fields[-1].instruction += text

    def _field(self, kind: str) -> None:
        if kind == "begin":
            self.fields.append(_Field())
        elif self.fields and kind == "separate":
            self.fields[-1].is_contents = self.fields[-1].instruction.split()[:1] == ["TOC"]
        elif self.fields and kind == "end":
            self.fields.pop()
