"""Read XML as a stream of events. Entities and defaults of attributes are refused, and no other file is loaded."""

from collections.abc import Callable, Mapping
from typing import IO
from xml.parsers import expat

from apps.documents.readers.errors import UnreadableTextError

#: Bytes that are parsed at a time, unless a tag is longer.
PIECE_BYTES = 64 * 1024
_SVG = "urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"
#: Largest depth of nested elements.
MAX_DEPTH = 1_000
#: Longest name of a namespace. Each element and attribute in it is passed on with the whole name.
MAX_NAMESPACE_CHARACTERS = 256

NOT_WELL_FORMED = (
    "The file is damaged: its content breaks off or makes no sense. "
    "Open it in the program that wrote it, save it again and send that."
)
ENTITIES = (
    "The file defines abbreviations that unfold to other text (XML entities). No writing program does that, "
    "so it is not read. Save your manuscript again and send that."
)

DEFAULTS = (
    "The file defines attributes that each of its elements has. No writing program does that, "
    "so it is not read. Save your manuscript again and send that."
)


class NotWellFormedError(UnreadableTextError):
    """The file is no XML, is cut off, is nested too deeply, or names a namespace at length."""

    def __init__(self) -> None:
        super().__init__(NOT_WELL_FORMED)


class Handler:
    """Receives elements and texts, and ignores them. Names come without their namespace, but for OpenDocument's SVG."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None: ...

    def end(self, name: str) -> None: ...

    def data(self, text: str) -> None: ...


def parse(
    part: IO[bytes],
    handler: Handler,
    *,
    on_bytes: Callable[[int], None] | None = None,
    entities: Mapping[str, str] | None = None,
) -> None:
    """Read an XML file piece by piece, and pass its elements and texts to the handler.

    Parameters:
      on_bytes: Called with the number of bytes of each piece.
      entities: Characters of names such as "nbsp;". Other names are left out. None: an unknown name is an error.

    Raises:
      NotWellFormedError: It is no XML, is cut off, is nested too deeply, or names a namespace at length.
      UnreadableTextError: It defines entities, or defaults of attributes.
    """
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    if entities is not None:
        parser.UseForeignDTD(True)  # Unknown names are no error then. No file is loaded.
        parser.SkippedEntityHandler = lambda name, is_parameter: handler.data(entities.get(f"{name};", ""))
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise NotWellFormedError
        handler.start(_local(name), {_local(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        handler.end(_local(name))

    def refuse(*declaration: object) -> None:
        raise UnreadableTextError(ENTITIES)

    def declare_attribute(element: str, name: str, kind: str, default: str | None, required: bool) -> None:
        if default is not None:
            raise UnreadableTextError(DEFAULTS)  # Each element would have it, however long it is.

    def declare_namespace(prefix: str | None, name: str | None) -> None:
        if len(name or "") > MAX_NAMESPACE_CHARACTERS:
            raise NotWellFormedError

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = handler.data
    parser.EntityDeclHandler = refuse
    parser.AttlistDeclHandler = declare_attribute
    parser.StartNamespaceDeclHandler = declare_namespace
    try:
        size = PIECE_BYTES
        passed = 0
        while piece := part.read(size):
            parser.Parse(piece, False)
            passed += len(piece)
            # Before its version 2.6, expat begins a tag anew with each piece of it, and a tag may be the whole file.
            size = max(PIECE_BYTES, passed - parser.CurrentByteIndex)
            if on_bytes is not None:
                on_bytes(len(piece))
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError):
        raise NotWellFormedError from None


def _local(name: str) -> str:
    namespace, _, local = name.rpartition(" ")
    # In OpenDocument a title of a picture is no text, and a title of the document is.
    return f"svg:{local}" if namespace == _SVG else local
