"""OpenDocument texts (.odt)."""

import io
import re
from collections.abc import Mapping

from apps.documents.readers import package, xml_events
from apps.documents.readers.blocks import Blocks
from apps.documents.readers.errors import UnreadableTextError
from apps.documents.readers.limits import Limits
from apps.documents.readers.progress import OnProgress, Steps
from apps.documents.readers.source import Source

MEDIA_TYPE = b"application/vnd.oasis.opendocument.text"
CONTENT = "content.xml"
MANIFEST = "META-INF/manifest.xml"
#: Part in which newer programs put a document with a password.
ENCRYPTED = "encrypted-package"

LOCKED = "The OpenDocument file has a password. Save it without one and send that."

#: Elements that are left out with their content: deleted passages, generated lists, notes and comments.
_SKIPPED = frozenset(
    {
        "tracked-changes", "table-of-content", "alphabetical-index", "illustration-index", "table-index",
        "object-index", "user-index", "bibliography", "note", "annotation", "forms", "ruby-text", "svg:title",
        "svg:desc", "binary-data", "page-number", "placeholder",
    }
)  # fmt: skip
_PARAGRAPHS = ("p", "h")
#: Most spaces in a row that are kept.
_MAX_SPACES = 100
_HEADING_STYLE = re.compile(r"Heading_20_([1-8])(?:_|\Z)")


def claims(source: Source) -> bool:
    if not source.head.startswith(package.MAGICS):
        return False
    return MEDIA_TYPE in source.head or (
        CONTENT in package.names(source) or (not package.names(source) and source.suffix == ".odt")
    )


def check(source: Source, limits: Limits) -> None:
    with package.opened(source, limits) as parts:
        if ENCRYPTED in parts.names:
            raise UnreadableTextError(LOCKED)
        if MANIFEST in parts.names:
            manifest = _Manifest()
            xml_events.parse(io.BytesIO(parts.read(MANIFEST)), manifest)
            if manifest.is_encrypted:
                raise UnreadableTextError(LOCKED)
        parts.require(CONTENT)


def read(source: Source, limits: Limits, on_progress: OnProgress) -> str:
    """Return the text of the document's body, each paragraph between empty lines.

    Deleted and hidden passages, tables of contents and other lists, notes, comments, headers and footers are left out.
    """
    check(source, limits)
    with package.opened(source, limits) as parts, parts.open(CONTENT) as part:
        steps = Steps(on_progress, total=parts.size(CONTENT), what="Reading the OpenDocument file")
        body = _Body()
        xml_events.parse(part, body, on_bytes=steps.advance)
    return body.blocks.text()


class _Manifest(xml_events.Handler):
    """Finds out whether a part is encrypted."""

    is_encrypted = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "encryption-data":
            self.is_encrypted = True


class _Body(xml_events.Handler):
    """Collects the paragraphs of a document."""

    def __init__(self) -> None:
        self.blocks = Blocks()
        #: Begun paragraphs around the current one, which a text box in them has interrupted.
        self.around: list[list[str]] = []
        #: Their levels as headings, and that of the current one. None: it is text.
        self.levels: list[int | None] = []
        self.in_body = False
        #: Whether the paragraph hides itself.
        self.is_hidden = False
        self.skipped_depth = 0
        #: Name of the style that is being read, and names of the styles of hidden text.
        self.style = ""
        self.hidden: set[str] = set()
        #: Names of the styles that the document's own are based on.
        self.bases: dict[str, str] = {}

    @property
    def silent(self) -> bool:
        return self.skipped_depth > 0 or not self.around

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == "body":
            self.in_body = True
        elif self.skipped_depth or name in _SKIPPED or self._is_hidden(name, attributes):
            self.skipped_depth += 1
        elif name == "style":
            self.style = attributes.get("name", "")
            self.bases[self.style] = attributes.get("parent-style-name", "")
        elif name == "text-properties" and attributes.get("display") == "none":
            self.hidden.add(self.style)
        elif name in _PARAGRAPHS and self.in_body:
            self.around.append(self.blocks.pieces)
            self.blocks.pieces = []
            self.levels.append(self._level(name, attributes))
        elif self.silent:
            return
        elif name == "hidden-paragraph":
            self.is_hidden = attributes.get("is-hidden", "true") == "true"
        elif name == "s":
            self.blocks.add(" " * min(_number(attributes.get("c", "1")), _MAX_SPACES))
        elif name == "tab":
            self.blocks.add(" ")
        elif name == "line-break":
            self.blocks.line_end()

    def _level(self, name: str, attributes: Mapping[str, str]) -> int | None:
        style = attributes.get("style-name", "")
        style = self.bases.get(style) or style
        if style == "Title":
            return 0
        if name == "h":
            return min(max(_number(attributes.get("outline-level", "1")), 1), 8)
        heading = _HEADING_STYLE.match(style)
        return int(heading[1]) if heading else None

    def _is_hidden(self, name: str, attributes: Mapping[str, str]) -> bool:
        if name in ("section", "hidden-text"):
            default = str(name == "hidden-text" or attributes.get("display") == "none").lower()
            is_hidden = attributes.get("is-hidden", default) == "true"
        else:
            is_hidden = attributes.get("style-name") in self.hidden
        return self.in_body and is_hidden

    def end(self, name: str) -> None:
        if name == "body":
            self.in_body = False
        elif self.skipped_depth:
            self.skipped_depth -= 1
        elif name == "number":
            self.blocks.add(" ")
        elif name in _PARAGRAPHS and self.in_body:
            if (level := self.levels.pop()) is not None:
                self.blocks.heading(level)
            if self.is_hidden:
                self.blocks.pieces = []
            self.is_hidden = False
            self.blocks.end()
            self.blocks.mark = ""
            self.blocks.pieces = self.around.pop()

    def data(self, text: str) -> None:
        if not self.silent:
            self.blocks.add(text)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 1
