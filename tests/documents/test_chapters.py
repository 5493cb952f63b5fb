import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.documents.analysis import chapters, vocabulary, words

PROSE = (
    "It was a dark and stormy night; the rain fell in torrents, except at occasional intervals, when it was checked\n"
    "by a violent gust of wind which swept up the streets, for it is in London that our scene lies.\n\n"
    "“Who is there?” she asked.\n"
)

#: Time limit for a hostile text of some hundred kilobytes. Quadratic time would be ten times as long.
SECONDS = 5


def book(*headings: str, before: str = "A BOOK\n\nBy Somebody\n\n") -> str:
    """A book whose chapters all have the same text."""
    return before + "".join(f"{heading}\n\n{PROSE}\n\n" for heading in headings)


def titles(text: str) -> list[str]:
    return [chapter.title for chapter in chapters.find(text)]


@pytest.mark.parametrize(
    "headings",
    [
        ("Chapter 1", "Chapter 2", "Chapter 3"),
        ("CHAPTER I.", "CHAPTER II.", "CHAPTER III."),
        ("Chapter the First", "Chapter the Second"),
        ("Chapter One", "Chapter Two", "Chapter Twenty-One", "Chapter One Hundred and Twelve"),
        ("Chapter One: A title", "Chapter Two: Another one"),
        ("Chapter 1 - The Storm", "Chapter 2 - The Calm"),
        ("Chapter 1. In which it rains", "Chapter 2. In which it stops"),
        ("CHAPTER I. THE STORM.", "CHAPTER II. THE CALM."),
        ("CHAPTER 1. Loomings.", "CHAPTER 2. The Carpet-Bag."),
        ("Chapter 4: Who Goes There?", "Chapter 5: “Nobody”"),
        ("CHAPTER XII The Storm", "CHAPTER XIII The Calm"),
        ("Prologue", "Chapter 1", "Chapter 2", "Epilogue"),
        ("PROLOGUE", "CHAPTER 1", "EPILOGUE: Ten Years Later"),
        ("Prologue", "Epilogue"),
        ("I", "II", "III"),
        ("I.", "II.", "III."),
        ("\u2160", "\u2161", "\u2162. Home"),
        ("1", "2", "3"),
        ("1.", "2.", "3."),
        ("One", "Two", "Three"),
        ("I. The Period", "II. The Mail", "III. The Night Shadows"),
        ("I. Home, sweet Home!", "II. Who is there?", "III. Work"),
        # The heading of a second part takes the place of its first number.
        ("I", "II", "III", "II", "III", "IV"),
        ("1", "2", "1", "2", "3"),
        ("Prologue", "1", "2", "Epilogue"),
        ("1. Kapitel", "2. Kapitel"),
        ("Erstes Kapitel", "Zweites Kapitel: Der Sturm"),
        ("Kapitel 1", "Kapitel 2"),
        ("Chapitre premier", "Chapitre 2", "Chapitre III : La tempête"),
        ("Part One", "Part Two"),
        ("BOOK I.", "BOOK II."),
        ("Chapter 1", "Chapter 2", "Chapter 2", "Chapter 7"),
        ("    Chapter 1", "                    Chapter 2"),
    ],
)
def test_headings_begin_chapters(headings: tuple[str, ...]) -> None:
    assert titles(book(*headings)) == [heading.strip() for heading in headings]


@pytest.mark.parametrize("language", vocabulary.LANGUAGES)
def test_the_words_of_every_language_head_chapters(language: str) -> None:
    word = vocabulary.LANGUAGES[language].partition("|")[0].split()[:1]
    headings = [f"{word[0]} {number}" for number in (1, 2, 3)] if word else [f"第{number}章" for number in "一二三"]
    assert titles(book(*headings)) == headings


@pytest.mark.parametrize(
    "headings",
    [
        ("Глава первая", "Глава вторая", "Глава двадцать третья"),
        ("ГЛАВА ПЕРВАЯ.", "ГЛАВА ВТОРАЯ."),
        ("Capítulo primero", "Capítulo segundo"),
        ("Capítulo primero. De lo que vieron", "Capítulo II. De lo que dijo"),
        ("Κεφάλαιο \u0391\u0384", "Κεφάλαιο \u0392\u0384"),
        ("ΚΕΦΑΛΑΙΟ ΠΡΩΤΟ", "ΚΕΦΑΛΑΙΟ ΔΕΥΤΕΡΟ"),
        ("الفصل الأول", "الفصل الثاني"),
        ("الفصل \u0661", "الفصل \u0662"),
        ("פרק ראשון", "פרק שני"),
        ("Dreizehntes Kapitel", "Vierzehntes Kapitel", "Einundzwanzigstes Kapitel"),
        ("Första kapitlet", "Andra kapitlet"),
        ("Ensimmäinen luku", "Toinen luku"),
        ("1. luku", "2. luku"),
        ("1. fejezet", "2. fejezet"),
        ("Birinci Bölüm", "İkinci Bölüm"),
        ("第一章", "第二章 雨", "第十二章 風"),
        ("第一回 甄士隐梦幻识通灵 贾雨村风尘怀闺秀", "第二回 贾夫人仙逝扬州城"),
        ("第1話", "第2話"),
        ("一", "二", "三"),
        ("제1장", "제2장 비", "제 3 장"),
        ("1장", "2장"),
        ("บทที่ 1", "บทที่ 2"),
        ("LETTER I.", "LETTER II."),
        ("STAVE ONE", "STAVE TWO"),
        ("Sketch 1", "Sketch 2", "Sketch 3"),
        ("Whatsit 1", "Whatsit 2", "Whatsit 3"),
        ("- I -", "- II -"),
        ("Глава первая, в которой идёт дождь", "Глава вторая, в которой он стихает"),
        ("Письмо первое", "Письмо второе"),
        ("Erster Brief", "Zweiter Brief"),
        ("The First Day", "The Second Day"),
        ("Kapitulli i parë", "Kapitulli i dytë"),
        ("Bab Satu", "Bab Dua"),
        ("1-тарау", "2-тарау"),
        ("Ch. 1", "Ch. 2"),
        ("Chapter (1)", "Chapter (2) The Calm"),
        ("الفصل (\u0661)", "الفصل (\u0662)"),
        ("Birinchi bob", "Ikkinchi bob"),
        ("Chapter 1 | The Storm", "Chapter 2 | The Calm"),
        ("§ 1", "§ 2", "§ 3"),
        ("第壱章", "第弐章", "第参章"),
        ("正文 第一章 雨", "正文 第二章 風"),
        ("第一卷 海 第一章 雨", "第一卷 海 第二章 風", "第二卷 陸 第三章 雪"),
        ("其一", "其二", "其三"),
    ],
)
def test_headings_in_many_languages_and_forms_begin_chapters(headings: tuple[str, ...]) -> None:
    assert titles(book(*headings)) == list(headings)


@pytest.mark.parametrize(
    "headings",
    [
        ("Глава первая", "Глава вторая", "Глава третья"),
        ("Première partie", "Deuxième partie", "Troisième partie"),
        ("Chapitre 1er", "Chapitre 2", "Chapitre 3"),
        ("თავი პირველი", "თავი მეორე", "თავი მესამე"),
        ("1. The Storm", "2. The Calm", "3. Home"),
        ("I. THE STORM", "II. THE CALM", "III. HOME"),
    ],
)
def test_headings_may_stand_directly_above_the_text(headings: tuple[str, ...]) -> None:
    assert titles("\n\n".join(f"{heading}\n{PROSE}\n{PROSE}" for heading in headings)) == list(headings)


@pytest.mark.parametrize(
    "headings",
    [
        ("THE STORM", "THE CALM", "WHAT THE LIGHTHOUSE SAW"),
        ("\n\nThe Storm", "\n\nThe Calm", "\n\nWhat the Lighthouse Saw", "\n\nHome"),
        ("\n\nШтиль.", "\n\nШпиль", "\n\nИ пил ли?"),
        ("\n\n10 November.", "\n\n11 November.", "\n\n14 November, Sunday."),
    ],
)
def test_titles_without_a_number_begin_chapters_if_they_stand_apart(headings: tuple[str, ...]) -> None:
    assert titles(book(*headings, before="")) == [heading.strip() for heading in headings]


@pytest.mark.parametrize(
    "lines",
    [
        # Each of these stands in the middle of a text.
        ("The Storm", "The Calm", "Home"),
        ("“WHO IS THERE?”", "“NOBODY.”", "— AH!"),
        ("JOHN SMITH", "JOHN SMITH", "JOHN SMITH", "JOHN SMITH"),
        ("A", f"B\n\n{PROSE * 40}", "C", "D", f"E\n\n{PROSE * 60}"),
    ],
)
def test_signatures_and_inscriptions_are_no_titles(lines: tuple[str, ...]) -> None:
    assert titles(book(*lines, before=PROSE)) == [""]


def test_lines_between_gaps_are_no_titles_where_all_paragraphs_have_gaps() -> None:
    assert titles(f"{PROSE}\n\n\n{PROSE}\n\n\n{PROSE}\n\n\n".join(f"She sat {number}\n\n" for number in "abcde")) == [
        ""
    ]


def test_marks_around_a_heading_are_no_part_of_it() -> None:
    assert titles(book("【第一章】", "【第二章】")) == ["第一章", "第二章"]
    assert titles(book("<1>", "<2>")) == ["1", "2"]


def test_a_line_above_a_heading_outweighs_no_sequence() -> None:
    text = f"A BOOK\nby Somebody\nChapter I\n{PROSE}\nContents\nChapter II\n{PROSE}\nContents\nChapter III\n{PROSE}"
    assert titles(text) == ["Chapter I", "Chapter II", "Chapter III"]


def test_a_list_and_notes_are_no_chapters_of_a_book_with_numbers() -> None:
    notes = "1. See the map at the front of this book.\n\n2. He means the other house.\n"
    text = book("I", "II", "III") + "1. A fish is fast.\n\n2. A fish is loose.\n\n" + book("IV", "V", before="") + notes
    assert titles(text) == ["I", "II", "III", "IV", "V"]


def test_numbers_of_the_same_form_in_a_list_do_not_end_the_sequence() -> None:
    text = book("1. Rain", "2. Wind") + "1. Flour\n\n2. Salt\n\n3. Eggs\n\n" + book("3. Snow", "4. Sun", before="")
    assert titles(text) == ["1. Rain", "2. Wind", "3. Snow", "4. Sun"]


def test_a_list_in_a_text_without_chapters_has_none() -> None:
    assert titles(PROSE * 20 + "\n1. Flour\n\n2. Salt\n\n3. Eggs\n\n" + PROSE * 20) == [""]


def test_titles_below_headings_belong_to_them_if_most_have_one() -> None:
    text = book("CHAPTER I\n\nThe Storm", "CHAPTER II\n\nThe Calm", "CHAPTER III\n\nHome")
    assert titles(text) == ["CHAPTER I The Storm", "CHAPTER II The Calm", "CHAPTER III Home"]
    text = book("CHAPTER I\n\nDear John", "CHAPTER II", "CHAPTER III")
    assert titles(text) == ["CHAPTER I", "CHAPTER II", "CHAPTER III"]


def test_a_heading_may_go_on_in_the_lines_below() -> None:
    long = "Of the things that were seen from the window that day, and of others that\nhappened in the house"
    assert titles(book(f"Chapter I. {long}", f"Chapter II. {long}")) == [
        " ".join(f"Chapter {number}. {long}".split()) for number in ("I", "II")
    ]


@pytest.mark.parametrize(
    ("heading", "title"),
    [
        ("# Chapter 1", "Chapter 1"),
        ("## Chapter 1: The Storm ##", "Chapter 1: The Storm"),
        ("**Chapter 1**", "Chapter 1"),
        ("_Chapter 1_", "Chapter 1"),
        ("  Chapter   1 :  The   Storm", "Chapter 1 : The Storm"),
        ("Chapter\u00a01", "Chapter 1"),
        ("CHAPTER I.\nDown the Rabbit-Hole", "CHAPTER I. Down the Rabbit-Hole"),
        (
            "CHAPTER 56. Of the Less Erroneous Pictures of Whales, and the True\nPictures of Whaling Scenes.",
            "CHAPTER 56. Of the Less Erroneous Pictures of Whales, and the True Pictures of Whaling Scenes.",
        ),
        ("Chapter 1\n=========", "Chapter 1"),
    ],
)
def test_a_title_is_shown_without_marks_and_on_one_line(heading: str, title: str) -> None:
    assert titles(book("Chapter 55", heading)) == ["Chapter 55", title]


@pytest.mark.parametrize(
    "text",
    [
        "Chapter 3 was the hardest to write, she said.\n\n",
        "Chapter Three was dull.\n\n",
        "Chapter 5, they all agreed, was the best.\n\n",
        "Chapter one of my life had ended, and I knew that it would never\nbegin again.\n\n",
        "She opened the book and began to read what stood in\nChapter 3.\n\n",
        "Chapters 1 to 3 were gone.\n\n",
        "“Chapter 3,” he read aloud.\n\n",
        "Part of me wanted to stay.\n\n",
        "Book one of those rooms.\n\n",
        "The prologue was long.\n\n",
        "Prologue and epilogue were cut.\n\n",
        "I.\n\n",
        "“I.”\n\n",
        "I. Me. Mine.\n\n",
        "1\n\n",
        "42\n\n",
        "2\n\n",
        "1984\n\n",
        "Mix the flour.\n\nDid he?\n\n",
    ],
)
def test_prose_begins_no_chapter(text: str) -> None:
    assert titles(f"{PROSE}\n{text}{PROSE}") == [""]
    assert titles(f"Chapter 1\n\n{PROSE}\n{text}{PROSE}\n\nChapter 2\n\n{PROSE}") == ["Chapter 1", "Chapter 2"]


def test_page_numbers_begin_no_chapters() -> None:
    pages = "".join(
        f"{PROSE}\nand so it went on and on until\n\n{page}\n\nthe night was over.\n" for page in range(1, 20)
    )
    assert titles(pages) == [""]


def test_numbers_of_scenes_begin_no_chapters_where_chapters_have_a_word() -> None:
    text = book("Chapter 1", "1", "2", "Chapter 2", "1", "2")
    assert titles(text) == ["Chapter 1", "Chapter 2"]


def test_numbers_below_a_dash_are_in_no_sentence() -> None:
    assert titles(book("I", "II", "III").replace("asked.", "asked \u2013")) == ["I", "II", "III"]


def test_numbers_that_do_not_count_from_one_begin_no_chapters() -> None:
    assert titles(book("7", "12", "40")) == [""]


def test_short_chapters_without_empty_lines_are_found() -> None:
    text = "Chapter 1: The Start\nIt was dark. She ran.\nChapter 2: The End\nIt was light.\n"
    assert titles(text) == ["Chapter 1: The Start", "Chapter 2: The End"]


def test_chapters_of_a_few_words_are_chapters() -> None:
    text = "Chapter 1\n\nMy mother is a fish.\n\nChapter 2\n\nIt is.\n"
    assert titles(text) == ["Chapter 1", "Chapter 2"]


def test_an_empty_chapter_among_written_ones_is_a_chapter() -> None:
    text = f"Chapter 1\n\n{PROSE}\n\nChapter 2\n\nChapter 3\n\n{PROSE}"
    assert titles(text) == ["Chapter 1", "Chapter 2", "Chapter 3"]


CHAPTERS = [f"Chapter {number}" for number in range(1, 8)]


@pytest.mark.parametrize(
    "contents",
    [
        "CONTENTS\n\n" + "\n".join(CHAPTERS),
        "CONTENTS\n\n" + "\n\n".join(CHAPTERS),
        "Contents\n\n" + "\n".join(f"{chapter} ........ {page}" for page, chapter in enumerate(CHAPTERS, start=3)),
        "Table of Contents\n\n" + "\n".join(f"{chapter}\t{page}" for page, chapter in enumerate(CHAPTERS, start=3)),
        "# Contents\n\n" + "\n".join(f"{chapter}: Of Things That Happened There" for chapter in CHAPTERS),
        "\n".join(CHAPTERS),
        "\n\n".join(f"{chapter}: A summary of what happens in it, in a few words" for chapter in CHAPTERS),
        "\n\n".join(f"{chapter}\n\nThe storm, and what came of it, and who was there" for chapter in CHAPTERS),
        "PART ONE\n\n" + "\n".join(CHAPTERS[:3]) + "\n\nPART TWO\n\n" + "\n".join(CHAPTERS[3:]),
        "\n".join(CHAPTERS) + f"\n\n\n{PROSE * 3}",
        "Inhalt\n\n" + "\n".join(CHAPTERS),
    ],
)
def test_a_table_of_contents_has_no_chapters(contents: str) -> None:
    found = chapters.find(f"A BOOK\n\n{contents}\n\n\n{book(*CHAPTERS, before='')}")
    assert [chapter.title for chapter in found] == CHAPTERS
    assert found[0].start >= len(contents)


def test_a_table_of_contents_in_parts_that_each_count_from_one_has_no_chapters() -> None:
    parts = ("Book the First", "Book the Second")
    table = "".join(
        f"{part}\n\nChapter I  The Period\nChapter II  The Mail\nChapter III  The Night\n\n" for part in parts
    )
    body = "".join(f"{part}\n\n{book('Chapter I', 'Chapter II', 'Chapter III', before='')}" for part in parts)
    assert titles(f"Contents\n\n{table}\n\n{body}") == ["Chapter I", "Chapter II", "Chapter III"] * 2


def test_a_table_of_contents_may_name_chapters_in_another_way_than_they_are_headed() -> None:
    table = "Contents\n\nChapter I      The Period\nChapter II      The Mail\nChapter III     The Night\n\n\n"
    assert titles(table + book("I. The Period", "II. The Mail", "III. The Night", before="")) == [
        "I. The Period",
        "II. The Mail",
        "III. The Night",
    ]


def test_a_table_of_contents_of_a_very_short_book_has_no_chapters() -> None:
    text = "CONTENTS\n\nChapter 1\nChapter 2\n\nChapter 1\n\nIt began.\n\nChapter 2\n\nIt ended.\n"
    found = chapters.find(text)
    assert [chapter.title for chapter in found] == ["Chapter 1", "Chapter 2"]
    assert text[found[0].body_start : found[0].end].strip() == "It began."


def test_an_outline_without_text_has_no_chapters() -> None:
    assert titles("Chapter 1\n\nChapter 2\n\nChapter 3\n\nChapter 4\n") == [""]


def test_the_line_of_a_part_belongs_to_the_chapter_below_it() -> None:
    text = book("Chapter 1", "VOLUME II\n\nPART ONE\n\nChapter 1")
    first, second = chapters.find(text)
    assert text[second.start :].startswith("VOLUME II")
    assert text[second.body_start :].strip().startswith("It was a dark")
    assert first.end == second.start
    assert second.title == "Chapter 1"


def test_front_matter_is_in_no_chapter() -> None:
    text = book("Chapter 1", "Chapter 2", before="A BOOK\n\nBy Somebody\n\nFor my mother.\n\n")
    assert text[: chapters.find(text)[0].start].split() == "A BOOK By Somebody For my mother.".split()  # noqa: SIM905


def test_a_text_without_headings_is_one_chapter_without_a_title() -> None:
    (only,) = chapters.find(PROSE)
    assert (only.start, only.body_start, only.end, only.title) == (0, 0, len(PROSE), "")


def test_white_space_and_marks_without_end_take_no_long_time() -> None:
    # Each of these took minutes with a pattern that backtracks.
    for text in (
        "AA\n\n" * 100_000,
        "\n\n\na" * 100_000,
        (" " * 100 + "\n") * 5000,
        ("*" * 100 + "\n") * 5000,
        "\n" * 500_000,
        "_*" * 250_000,
        "i" * 500_000,
    ):
        assert titles(f"a{text}b") == [""]


def test_contents_lines_without_end_take_no_long_time() -> None:
    # Each was compared with all headings below it: half an hour for a text of some megabytes.
    text = "Contents\n\n" * 3 + "Contents\n\nChapter 1\n\n" * 20_000 + PROSE
    began = time.process_time()
    assert titles(text) == ["Chapter 1"]
    assert time.process_time() - began < SECONDS


@pytest.mark.parametrize("line", ["one\n", "first\n\n", "twenty-\n", "one and\n", "one and "])
def test_number_words_without_end_take_no_long_time(line: str) -> None:
    # They took quadratic time in the number of lines, in C code that no time limit ends.
    assert titles(f"{line * 100_000}b") == [""]


LINES = st.sampled_from(
    [
        *["", "Chapter 1", "CHAPTER II.", "Chapter Three: A Title", "CONTENTS", "Prologue", "Part One", "I.", "2"],
        *["", "# Chapter 4", "It was a dark and stormy night.", "“Who is there?” she asked.", "Chapter 3 was dull."],
        *["", "1. Take it", "a" * 130],
    ]
)


@given(st.lists(LINES, max_size=60).map("\n".join) | st.text(max_size=200))
def test_chapters_cover_the_text_from_the_first_heading_without_gap_or_overlap(text: str) -> None:
    found = chapters.find(text)
    assert found
    assert found[-1].end == len(text)
    at = found[0].start
    for chapter in found:
        assert chapter.start == at
        assert chapter.start <= chapter.body_start <= chapter.end
        at = chapter.end
    counted = sum(words.count(text, chapter.start, chapter.end) for chapter in found)
    assert counted + words.count(text, 0, found[0].start) == words.count(text)


@given(st.integers(2, 60), st.sampled_from(["Chapter {}", "CHAPTER {}.", "{}", "{}."]))
def test_as_many_chapters_are_found_as_were_written(number: int, heading: str) -> None:
    headings = [heading.format(count) for count in range(1, number + 1)]
    assert titles(book(*headings)) == headings
