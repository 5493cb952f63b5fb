"""Files of writers and of attackers, made here and as small as possible."""

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

WRITTEN_ELSEWHERE = Path(__file__).parent / "documents" / "written_elsewhere"

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
ODF = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
)
LAUGHS = (
    '<!DOCTYPE lolz [<!ENTITY a0 "ha ">'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    + "]>"
)


def packed(parts: Mapping[str, bytes | str], *, stored: Iterable[str] = ()) -> bytes:
    """Return a ZIP archive of these parts. Those in `stored` are not compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_STORED if name in stored else zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return buffer.getvalue()


def docx(body: str, *, prolog: str = "", **more: bytes | str) -> bytes:
    """Return a Word file with this XML as its body. `more` are other parts."""
    document = f"<?xml version='1.0'?>{prolog}<w:document {W}><w:body>{body}</w:body></w:document>"
    relationships = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
        'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
        'Target="word/document.xml"/></Relationships>'
    )
    types = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    return packed({"[Content_Types].xml": types, "_rels/.rels": relationships, "word/document.xml": document, **more})


def docx_paragraphs(*paragraphs: str) -> str:
    return "".join(f'<w:p><w:r><w:t xml:space="preserve">{text}</w:t></w:r></w:p>' for text in paragraphs)


def odt(body: str, *, prolog: str = "", **more: bytes | str) -> bytes:
    """Return an OpenDocument text with this XML as its body."""
    content = (
        f"<?xml version='1.0'?>{prolog}<office:document-content {ODF}><office:body><office:text>{body}</office:text>"
        "</office:body></office:document-content>"
    )
    parts = {"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content, **more}
    return packed(parts, stored=["mimetype"])


def epub(
    pages: Mapping[str, str], *, manifest: str = "", order: Iterable[str] | None = None, **more: bytes | str
) -> bytes:
    """Return an e-book of these XHTML pages, in their order or in another."""
    items = "".join(f'<item id="{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in pages)
    spine = "".join(f'<itemref idref="{name}"/>' for name in (pages if order is None else order))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0">'
        f"<manifest>{items}{manifest}</manifest><spine>{spine}</spine></package>"
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
        '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    parts: dict[str, bytes | str] = {"mimetype": "application/epub+zip", "META-INF/container.xml": container}
    parts |= {"OEBPS/book.opf": package, **{f"OEBPS/{name}": page for name, page in pages.items()}, **more}
    return packed(parts, stored=["mimetype"])


def xhtml(body: str) -> str:
    return f'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body>{body}</body></html>'


def pdf(*pages: bytes, image: bool = False) -> bytes:
    """Return a PDF whose pages have these content streams, such as `text_lines(...)`."""
    picture = (
        b"<< /Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray /BitsPerComponent 8 "
        b"/Length 4 >>\nstream\n\x00\xff\xff\x00\nendstream"
    )
    kids = b" ".join(b"%d 0 R" % (5 + 2 * index) for index in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(pages), kids),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Times-Roman >>",
        picture,
    ]
    for index, content in enumerate(pages):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F 3 0 R >> /XObject << /I 4 0 R >> >> >>" % (6 + 2 * index)
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    data = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    places = []
    for number, content in enumerate(objects, start=1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return data + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, len(data))
    )


def text_lines(*lines: str, left: int = 72, top: int = 720, pitch: int = 14) -> bytes:
    """Return the content of a page: these lines, one below the other. Spaces at the start indent a line."""
    drawn = []
    for index, line in enumerate(lines):
        said = line.lstrip(" ")
        escaped = said.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        x, y = left + 6 * (len(line) - len(said)), top - pitch * index
        if said:
            drawn.append(f"BT /F 12 Tf {x} {y} Td ({escaped}) Tj ET")
    return "\n".join(drawn).encode("cp1252")


#: A page of a scanned book: a picture that fills it.
SCANNED_PAGE = b"q 612 0 0 792 0 0 cm /I Do Q"


def spaces_docx(megabytes: int) -> bytes:
    """Return a Word file of some kilobytes that unpacks to megabytes of spaces."""
    return docx(docx_paragraphs(" " * (megabytes * 1024**2)))


def with_lying_count(data: bytes) -> bytes:
    """Return the archive with an end record that declares 60,000 parts."""
    at = data.rindex(b"PK\x05\x06")
    return data[: at + 8] + struct.pack("<HH", 60_000, 60_000) + data[at + 12 :]


def with_one_declared(data: bytes) -> bytes:
    """Return the archive with an end record that declares one part. Programs load all that the list has."""
    at = data.rindex(b"PK\x05\x06")
    return data[: at + 8] + struct.pack("<HH", 1, 1) + data[at + 12 :]


def many_parts(number: int) -> bytes:
    more: dict[str, Any] = {f"word/media/{index}.txt": b"" for index in range(number)}
    return docx(docx_paragraphs("Some words."), **more)


def overlapping(number: int, *, megabytes: int) -> bytes:
    """Return an archive whose list names the same compressed bytes many times: small, but huge when unpacked."""
    kernel: dict[str, Any] = {"word/kernel": b"\x00" * (megabytes * 1024**2)}
    data = docx(docx_paragraphs("Some words."), **kernel)
    at = data.rindex(b"PK\x05\x06")
    directory_at = struct.unpack_from("<L", data, at + 16)[0]
    directory = data[directory_at:at]
    entry_at = directory.index(b"word/kernel") - 46
    entry = directory[entry_at : entry_at + 46 + len(b"word/kernel")]
    more = b"".join(entry.replace(b"word/kernel", b"word/%06d" % index) for index in range(number))
    count = struct.unpack_from("<H", data, at + 10)[0] + number
    end = bytearray(data[at:])
    struct.pack_into("<HHLL", end, 8, count, count, len(directory) + len(more), directory_at)
    return data[:directory_at] + directory + more + bytes(end)


def deflated(size_bytes: int) -> bytes:
    return zlib.compress(b" " * size_bytes)


def pdf_bomb(megabytes: int) -> bytes:
    """Return a PDF whose only page is a small stream that unpacks to megabytes of drawing."""
    content = zlib.compress(b"BT /F 12 Tf 72 720 Td (word ) Tj ET\n" * (megabytes * 1024**2 // 36))
    plain = pdf(b"CONTENT")
    return re.sub(
        rb"<< /Length 7 >>\nstream\nCONTENT",
        lambda match: b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s" % (len(content), content),
        plain,
    )


#: Files that are refused at upload: filename, factory and pattern of the message for the writer.
REFUSED_AT_ONCE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "0 bytes": ("novel.docx", lambda: b"", "The file is empty: it has 0 bytes"),
    "a picture": ("novel.txt", lambda: b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", r"This is a picture \(PNG\)"),
    "an old Word file": ("novel.doc", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 9, r"an old Word file \(\.doc\)"),
    "a program": ("novel.txt", lambda: b"\x7fELF\x02\x01\x01\x00" * 9, "does not look like text"),
    "an archive": ("novel.zip", lambda: packed({"novel.txt": "Some words."}), r"This is an archive \(ZIP\)"),
    "an archive of archives": ("novel.zip", lambda: packed({"a.zip": packed({"b.zip": ""})}), "This is an archive"),
    "a text renamed .pdf": ("novel.pdf", lambda: b"It was a dark night.", "is called .pdf, but it is no PDF file"),
    "a text renamed .docx": ("novel.docx", lambda: b"It was a dark night.", "called .docx, but it is no Word file"),
    "a text renamed .epub": ("novel.epub", lambda: b"It was a dark night.", "called .epub, but it is no e-book"),
    "a PDF with a password": (
        "novel.pdf",
        lambda: (WRITTEN_ELSEWHERE / "with-a-password.pdf").read_bytes(),
        "The PDF has a password. Save it without one",
    ),
    "a Word file with a password": (
        "novel.docx",
        lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 2000 + "EncryptedPackage".encode("utf-16-le"),
        "a Word file with a password",
    ),
    "an odt with a password": (
        "novel.odt",
        lambda: odt("", **{"META-INF/manifest.xml": "<manifest><encryption-data/></manifest>"}),
        "The OpenDocument file has a password",
    ),
    "an e-book with copy protection": (
        "novel.epub",
        lambda: epub(
            {"1.xhtml": xhtml("x")},
            **{"META-INF/encryption.xml": '<e><EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></e>'},
        ),
        "protected against copying",
    ),
    "the start of a PDF": ("novel.pdf", lambda: b"%PDF-1.7\n1 0 obj", "The PDF is damaged or was cut off"),
    "a PDF without pages": ("novel.pdf", lambda: pdf(), "The PDF is damaged"),
    "a truncated docx": (
        "novel.docx",
        lambda: (WRITTEN_ELSEWHERE / "three-chapters.docx").read_bytes()[:9_000],
        "The file is damaged or was cut off",
    ),
    "a docx without a document": (
        "novel.docx",
        lambda: packed({"[Content_Types].xml": "<Types/>", "word/styles.xml": "<styles/>"}),
        "its part 'word/document.xml' is missing",
    ),
    "a docx whose document is elsewhere": (
        "novel.docx",
        lambda: docx(
            "", **{"_rels/.rels": '<R><Relationship Type="x/officeDocument" Target="../../../etc/passwd"/></R>'}
        ),
        "names a part '../../../etc/passwd', which is outside of it",
    ),
    "an e-book without an order": ("novel.epub", lambda: epub({}), "does not say which of its parts are to be read"),
    "a docx bomb": ("novel.docx", lambda: spaces_docx(200), r"unpacks to 200\.0 MB, 1,0\d+ times its size"),
    "an odt bomb": ("novel.odt", lambda: odt(" " * 30 * 1024**2), r"unpacks to 30\.0 MB, [0-9,]+ times its size"),
    "an epub bomb": ("novel.epub", lambda: epub({"1.xhtml": " " * 50 * 1024**2}), r"unpacks to 50\.0 MB, [0-9,]+ ti"),
    "more parts than it declares": (
        "novel.docx",
        lambda: with_one_declared(many_parts(10_000)),
        "packed from 10,003 parts, and at most 10,000",
    ),
    "many parts": ("novel.docx", lambda: many_parts(10_000), "packed from 10,003 parts, and at most 10,000"),
    "parts that lie about their number": (
        "novel.docx",
        lambda: with_lying_count(docx(docx_paragraphs("Some words."))),
        "packed from 60,000 parts",
    ),
    "overlapping parts": ("novel.docx", lambda: overlapping(2_000, megabytes=1), r"unpacks to 2,001\.\d MB"),
    "a hostile path": (
        "novel.epub",
        lambda: epub({"1.xhtml": xhtml("Some words.")}, **{"../../../tmp/evil.txt": "evil"}),
        r"names a part '\.\./\.\./\.\./tmp/evil\.txt', which is outside of it",
    ),
    "an absolute path": (
        "novel.epub",
        lambda: epub({"1.xhtml": xhtml("Some words.")}, **{"/etc/cron.d/evil": "evil"}),
        "names a part '/etc/cron.d/evil', which is outside",
    ),
    "a path of Windows": (
        "novel.docx",
        lambda: docx(docx_paragraphs("Some words."), **{"..\\..\\evil.exe": "evil"}),
        "which is outside of it",
    ),
    "a page outside of the e-book": (
        "novel.epub",
        lambda: epub(
            {}, manifest='<item id="x" href="../../../etc/passwd" media-type="application/xhtml+xml"/>', order=["x"]
        ),
        "names a part '../../../etc/passwd', which is outside",
    ),
    "white space": ("novel.txt", lambda: b" \n" * 1000, "nothing but white space"),
    "no word": ("novel.md", lambda: "— … —\n".encode(), "not a single word"),
}  # fmt: skip

#: Files that are refused when they are read.
REFUSED_WHEN_READ: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a scanned PDF": ("novel.pdf", lambda: pdf(SCANNED_PAGE, SCANNED_PAGE), "no text in the PDF: its pages are pic"),
    "a docx that laughs": (
        "novel.docx",
        lambda: docx(docx_paragraphs("&a9;"), prolog=LAUGHS.replace("lolz", "document")),
        "abbreviations that unfold to other text",
    ),
    "an odt that laughs": ("novel.odt", lambda: odt("<text:p>&a9;</text:p>", prolog=LAUGHS), "that unfold to other"),
    "an e-book that laughs": (
        "novel.epub",
        lambda: epub({"1.xhtml": f'<?xml version="1.0"?>{LAUGHS}<html><body><p>&a9;</p></body></html>'}),
        "abbreviations that unfold",
    ),
    "an entity from the disk": (
        "novel.odt",
        lambda: odt("<text:p>&x;</text:p>", prolog='<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
        "abbreviations that unfold",
    ),
    "a docx of spaces": ("novel.docx", lambda: spaces_docx(9), "nothing but white space"),
    "a docx that breaks off": ("novel.docx", lambda: docx("<w:p><w:r>"), "content breaks off or makes no sense"),
    "a docx that is too deep": ("novel.docx", lambda: docx("<w:p>" * 5_000 + "</w:p>" * 5_000), "content breaks off"),
    "a page without text": ("novel.html", lambda: b"<html><script>let words = 1</script></html>", "no text in it"),
    "a page with NULs": ("novel.html", lambda: b"<html><p>wor\x00ds</p></html>", "does not look like text"),
}  # fmt: skip
