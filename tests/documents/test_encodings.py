# ruff: noqa: RUF001 (texts in their own scripts)
"""Old encodings, and what happens where an encoding cannot be told."""

import pytest

from apps.documents import readers
from apps.documents.readers import AmbiguousEncodingError, UnreadableTextError, encodings

TEXTS = {
    "ru": "Дождь шёл с самого утра, и улица под окном стала рекой. Никто не приходил.\n",
    "uk": "Дощ не вщухав від ранку, і вулиця під вікном стала річкою. Ніхто не приходив, її чекали.\n",
    "bg": "Дъждът не спираше от сутринта и улицата под прозореца беше станала река.\n",
    "el": "Η βροχή δεν είχε σταματήσει από το πρωί και ο δρόμος κάτω από το παράθυρο ήταν ποτάμι.\n",
    "ar": "لم يتوقف المطر منذ الصباح، وصار الشارع تحت النافذة نهرا. لم يأت أحد.\n",
    "he": "הגשם לא פסק מאז הבוקר, והרחוב מתחת לחלון הפך לנהר. איש לא בא.\n",
    "ja": "雨は朝からやまず、窓の下の通りは川になっていた。誰も来なかった。\n",
    "zh": "雨从早上一直下到现在，窗下的街道成了一条河。没有人来。\n",
    "zh-tw": "雨從早上一直下到現在，窗下的街道成了一條河。沒有人來。\n",
    "ko": "비는 아침부터 그치지 않았고 창문 아래의 거리는 강이 되어 있었다. 아무도 오지 않았다.\n",
    "th": "ฝนตกตั้งแต่เช้าไม่หยุด ถนนใต้หน้าต่างกลายเป็นแม่น้ำ ไม่มีใครมา\n",
    "tr": "Yağmur sabahtan beri dinmemişti ve pencerenin altındaki sokak bir nehir olmuştu.\n",
    "cs": "Déšť neustal od rána a ulice pod oknem byla řekou. Nikdo nepřišel.\n",
    "hu": "Az eső reggel óta nem állt el, és az ablak alatti utca folyóvá vált. Őszintén szólva.\n",
    "ro": "Ploaia nu se oprise de dimineaţă, iar strada de sub fereastră era un râu.\n",
    "hr": "Kiša nije prestajala od jutra, a ulica pod prozorom pretvorila se u rijeku. Žena šuti.\n",
    "lt": "Lietus nesiliovė nuo pat ryto, ir gatvė po langu virto upe. Niekas neatėjo.\n",
    "fr": "Été comme hiver, l'élève où ça coûte très cher. La forêt gardait son silence.\n",
    "de": "Der Bär läuft über die Straße und grüßt höflich. Größe, Äpfel, Öl, Übung.\n",
    "nl": "De zeeën waren kalm; één meisje had ideeën over België.\n",
    "ca": "La pluja no havia parat des del matí i el carrer era un riu. No va venir ningú.\n",
    "hi": "सुबह से बारिश नहीं रुकी थी और खिड़की के नीचे की सड़क नदी बन गई थी।\n",
}
ENCODINGS = {
    "ru": "cp1251 koi8_r cp866 mac_cyrillic iso8859_5", "uk": "cp1251 koi8_u", "bg": "cp1251 mac_cyrillic",
    "el": "cp1253 iso8859_7", "ar": "cp1256 iso8859_6", "he": "cp1255", "ja": "cp932 euc_jp iso2022_jp",
    "zh": "gb18030 gbk", "zh-tw": "big5", "ko": "cp949 euc_kr", "th": "cp874", "tr": "cp1254 iso8859_9",
    "cs": "cp1250 iso8859_2 cp852 mac_latin2", "hu": "cp1250 iso8859_2 cp852", "ro": "cp1250 iso8859_2",
    "hr": "cp1250 iso8859_2", "lt": "cp1257", "fr": "cp1252 mac_roman", "de": "cp1252 cp850 mac_roman",
    "nl": "cp1252 cp850 mac_roman", "ca": "cp1252 cp850 mac_roman",
}  # fmt: skip
#: A Danish line in which one byte is beyond ASCII. On an old PC it is "å", on an old Mac "Ü".
DANISH = "Regnen var ikke holdt op siden morgen, og gaden under vinduet var blevet en å.\n"


@pytest.mark.parametrize(("code", "encoding"), [(code, name) for code in ENCODINGS for name in ENCODINGS[code].split()])
def test_a_text_in_an_old_encoding_is_read(code: str, encoding: str) -> None:
    for text in (TEXTS[code], TEXTS[code] * 30):
        assert readers.read(text.encode(encoding), filename="novel.txt") == text


@pytest.mark.parametrize("code", TEXTS)
@pytest.mark.parametrize("encoding", ["utf_16_le", "utf_16_be", "utf_32_le", "utf_32_be"])
def test_unicode_without_a_mark_is_read(code: str, encoding: str) -> None:
    assert readers.read(TEXTS[code].encode(encoding), filename="novel.txt") == TEXTS[code]


@pytest.mark.parametrize(
    "text",
    [
        "Über Öl",
        "Ça va, señor?",
        "Naïve cafés, très cher.",
        "“It’s £5,” she said.",
        "It’s late.",
        "La città.",
        "Où est-il ?",
    ],
)
def test_a_short_western_text_is_not_taken_for_another(text: str) -> None:
    assert readers.read(text.encode("cp1252")) == text


def test_where_the_encoding_cannot_be_told_the_writer_chooses_from_previews() -> None:
    data = DANISH.encode("cp850")
    with pytest.raises(AmbiguousEncodingError, match="Choose on the document's page") as refused:
        readers.check(data, filename="novel.txt")
    found = {reading.encoding: reading.preview for reading in refused.value.readings}
    assert 2 <= len(found) <= encodings.MAX_CANDIDATES
    assert any("en å." in preview for preview in found.values())
    for encoding, preview in found.items():
        assert readers.read(data, filename="novel.txt", encoding=encoding).strip().endswith(preview[-20:])


@pytest.mark.parametrize("filename", ["novel.txt", "novel.md", "novel.html"])
def test_previews_leave_the_process_that_reads(filename: str) -> None:
    with pytest.raises(AmbiguousEncodingError) as refused:
        readers.read(DANISH.encode("cp850"), filename=filename)
    assert len(refused.value.readings) > 1
    assert all("blevet en" in reading.preview for reading in refused.value.readings)


@pytest.mark.parametrize("filename", ["novel.txt", "novel.md", "novel.html"])
def test_the_chosen_encoding_is_kept_whatever_the_text_says(filename: str) -> None:
    text = readers.read("<p>Straße</p>\n".encode("cp850"), filename=filename, encoding="cp850")
    assert "Straße" in text


def test_bytes_that_are_text_in_no_encoding_are_refused() -> None:
    data = bytes((number * 197 + 31) % 255 + 1 for number in range(3_000))
    with pytest.raises(UnreadableTextError):
        readers.read(data, filename="novel.txt")


def test_a_text_that_would_be_garbled_is_refused() -> None:
    with pytest.raises(UnreadableTextError, match="encoding is unknown or it is damaged"):
        readers.read(TEXTS["ja"].encode("cp932") * 20 + b"\x81\n")


def test_a_text_that_was_cut_in_a_character_is_read() -> None:
    assert readers.read((TEXTS["ja"] * 20).encode("cp932")[:-2]).startswith(TEXTS["ja"] * 19)
