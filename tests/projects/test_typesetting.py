"""The setting of a PDF: scripts, hostile texts, and the templates."""

import functools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pypdfium2
import pytest
import typst

from apps.projects.contents import Found
from apps.projects.errors import TypesettingError
from apps.projects.reports import pdf, plots, png, typesetting
from tests.projects.sources import CREATED_AT, draft, figures, full, pages

TITLES = [
    "Emma", "紅樓夢", "戦争と平和", "전쟁과 평화", "الحرب والسلام", "מלחמה ושלום", "Война и мир", "Ελληνικά", "ไทย",
    "हिन्दी क्षत्रिय", "বাংলা", "தமிழ்", "తెలుగు", "ಕನ್ನಡ", "മലയാളം", "ગુજરાતી", "සිංහල", "မြန်မာ", "ខ្មែរ", "ລາວ", "አማርኛ",
    "Հայերեն", "ქართული", "tiếng Việt", "😀❤",
]  # fmt: skip


COMMA = "\N{FULLWIDTH COMMA}"


def letters(content: bytes) -> list[tuple[str, float, float]]:
    """Return each letter of a PDF with its place from the left and from below, in the order of the text."""
    document = pypdfium2.PdfDocument(content)
    try:
        texts = [document[number].get_textpage() for number in range(len(document))]
        return [
            (text.get_text_range(index, 1), *text.get_charbox(index)[:2])
            for text in texts
            for index in range(text.count_chars())
        ]
    finally:
        document.close()


def test_the_fonts_have_every_script_and_screen_readers_can_read_the_pdf(monkeypatch: pytest.MonkeyPatch) -> None:
    """PDF/UA refuses a character without a letter, a picture without a description, and a page without a language."""
    monkeypatch.setattr(typst, "compile", functools.partial(typst.compile, pdf_standards="ua-1"))
    content = pdf.render(figures(*(full(title=title) for title in TITLES), draft(), name=" ".join(TITLES)))
    text = " ".join(pages(content))
    assert all(title in text for title in ("戦争と平和", "전쟁과 평화", "Война и мир", "Ελληνικά"))
    with pytest.raises(TypesettingError, match="PDF/UA"):
        pdf.render(figures(full(title="\N{TIBETAN LETTER KA}")))


def test_a_sentence_from_right_to_left_begins_at_the_upper_right() -> None:
    for word in ("כלב", "كلب"):
        sentence = f"{word} " + "שלום רב " * 40 + "חתול"
        places = letters(pdf.render(figures(full(longest_sentences=(Found(text=sentence, number=99),)))))
        [(first, top), (last, bottom)] = [
            [place for place in places if place[0] == letter][-1][1:] for letter in (word[0], "ח")
        ]
        assert first > 500 > last
        assert top > bottom


def test_no_line_of_chinese_begins_with_a_comma() -> None:
    for shift in range(12):
        sentence = "字" * shift + f"一二三四五六{COMMA}" * 30
        lines = "\n".join(
            pages(pdf.render(figures(full(longest_sentences=(Found(text=sentence, number=9),)))))
        ).splitlines()
        of_sentence = [line for line in lines if "三四五" in line]
        assert len(of_sentence) > 2
        assert not any(line.startswith(COMMA) for line in of_sentence)


HOSTILE = ['#import "x.typ": *', '#read("/etc/passwd")', "$a^2$", "@ref", "<label>", "\\ * _ `x` = h", "//", "{{ a }}"]


@pytest.mark.parametrize("text", HOSTILE)
def test_code_of_the_templates_is_text_wherever_a_writer_types_it(text: str) -> None:
    found = figures(
        full(title=text, keywords=(Found(text=text, number=1),), longest_sentences=(Found(text=text, number=3),)),
        draft(text, failed=True, error=text),
        full(repeated_phrases=(Found(text=text, number=3),)),
        name=text,
    )
    assert " ".join(pages(pdf.render(found))).count(text) >= 8


def test_a_template_sees_no_file_outside_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    folder = tmp_path / "paper"
    folder.mkdir()
    (folder / "curious.typ").write_text('#read("../secret.txt")')
    monkeypatch.setattr(typesetting, "TEMPLATES", folder)
    with pytest.raises(TypesettingError, match="escape the project root"):
        typesetting.typeset("curious.typ", {}, kind="pdf", made_at=CREATED_AT)


def test_no_template_loads_a_package() -> None:
    templates = list(typesetting.TEMPLATES.glob("*.typ"))
    assert templates
    assert not any('"@' in template.read_text() for template in templates)


@pytest.mark.parametrize("piece", ["x", "e\u0301", "漢", "क्षत्रिय", "\u202e", " "], ids=ascii)
def test_a_text_of_a_million_characters_is_cut(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    finding = (Found(text=text, number=2),)
    found = figures(full(title=text, keywords=finding, longest_sentences=finding), draft(failed=True, error=text))
    started = time.process_time()
    content = pdf.render(replace(found, name=text, owner=text))
    assert time.process_time() - started < 10
    assert len(content) < 500_000


@pytest.mark.parametrize(
    "text", ["\u05d0 \u05c8", "\u05d0\u05c8\u05d0", "\U0010ffff", "\ue000", "\ufffe", "\u0378"], ids=ascii
)
def test_what_is_no_character_is_replaced_where_typst_would_panic(text: str) -> None:
    found = figures(full(title=text, longest_sentences=(Found(text=text, number=3),)), name=text)
    assert "\N{REPLACEMENT CHARACTER}" in " ".join(pages(pdf.render(found)))


def test_a_panic_of_typst_is_an_ordinary_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):
        pass

    def panic(*args: object, **options: object) -> bytes:
        raise PanicException("end byte index 7 is out of bounds")

    monkeypatch.setattr(typst, "compile", panic)
    with pytest.raises(TypesettingError, match=r"report\.typ cannot be set: end byte index 7"):
        pdf.render(figures(full()))


def test_the_same_figures_make_the_same_bytes() -> None:
    found = figures(*(full(title=title) for title in TITLES))
    assert pdf.render(found) == pdf.render(found)
    assert png.image(plots.made(found, width=plots.MAIL)[0]) == png.image(plots.made(found, width=plots.MAIL)[0])


def test_reports_made_in_parallel_equal_reports_made_alone() -> None:
    found = [figures(*(full(title=title) for title in TITLES), name=f"Novels {number}") for number in range(4)]
    alone = [pages(pdf.render(one)) for one in found]
    with ThreadPoolExecutor(8) as pool:
        together = [pages(content) for content in pool.map(pdf.render, found * 6)]
    assert together == alone * 6
