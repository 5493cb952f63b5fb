"""Guess the encoding of a text that is not UTF-8."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

#: Bytes of lines beyond ASCII on which the guess is made.
SAMPLE_BYTES = 64 * 1024
#: Characters of a decoded sample that are judged.
JUDGED_CHARACTERS = 16 * 1024
#: Least confidence of an encoding that is considered, as a share of the best one's. chardet is hardly ever further off.
CONSIDERED_SHARE = 0.5
#: Confidence, as a share of the best one's, from which on two encodings are equally likely.
EQUAL_SHARE = 0.9995
#: Characters beyond ASCII, and characters in all, up to which chardet guesses at random.
FEW_TELLING, FEW_CHARACTERS = 3, 50
#: Largest share of odd places among the characters beyond ASCII. Above it the text would be garbled.
MAX_ODD_SHARE = 0.15
#: Least share of bytes in UTF-16 that are no ASCII text, and largest share of odd places.
MIN_NOT_ASCII, MAX_ODD_IN_UTF_16 = 0.01, 0.02
#: Most encodings among which the writer chooses.
MAX_CANDIDATES = 3

#: Encodings that no writer has, and that are easily mistaken for others.
_RARE = ("hp-roman8", "iso8859-10", "iso8859-14", "iso8859-16", "kz1048", "ptcp154")
#: Encodings from the usual to the rare, by the beginning of their names. Of equals, the usual one is taken.
_USUAL = (
    "cp125", "utf", "cp93", "cp94", "gb", "big5", "euc", "shift", "cp874", "iso2022", "iso8859_1", "iso8859", "koi8",
    "mac", "cp",
)  # fmt: skip
#: Place in it from which on the writer chooses among equals.
_FIRST_RARE = _USUAL.index("mac")
#: Marks of prose beyond ASCII: those that stand anywhere, those within no word, those after no letter.
_DASHES, _QUOTES, _OPENING = (
    "\u2010\u2011\u2013\u2014\u2015\u2019…·\u00ad",
    "\u2018\u201c\u201d\u2039\u203a«»•€°ºª©®™\u00d7½¼¾¹²³",
    "\u201a\u201e¡¿§£",
)
#: Places where no text goes on: a symbol, a capital or a mark within a word, two scripts in one, a mark without space.
_ODD = re.compile(r"s|(?<=[lo])[LO]|(?<=[lL])[oOh]|(?<=[oOh])[lL]|(?<=,)[lLoO]|(?<=[lLoO])q(?=[lLoO])|(?<=[lLoOh])v")

_WESTERN = "àáâãäåæçèéêëìíîïñòóôõöøùúûüýœß"
#: Letters beyond ASCII of the languages that chardet confuses most, by their ISO 639-1 codes.
_LETTERS = dict.fromkeys(("ca", "da", "de", "en", "es", "fi", "fr", "it", "nl", "no", "pt", "sv"), _WESTERN) | {
    "cs": "áčďéěíňóřšťúůýžöü", "et": "äöüõšž", "hr": "čćđšž", "hu": "áéíóöőúüűä", "is": "áðéíóúýþæö",
    "lt": "ąčęėįšųūž", "lv": "āčēģīķļņšūž", "pl": "ąćęłńóśźżéöü", "ro": "ăâîșțşţé", "sk": "áäčďéíĺľňóôŕšťúýžö",
    "sl": "čšžćđ", "tr": "çğ\u0131öşüâîû",
}  # fmt: skip

_ASCII = bytes(range(128))
_BEYOND_ASCII = re.compile(rb"[\x80-\xff]|\x1b")
_NOT_ASCII_TEXT = re.compile(rb"[\x01-\x08\x0e-\x1f\x80-\xff]")
_LINE_END = re.compile(rb"\r\n?|\n")


def candidates(data: bytes) -> Sequence[str]:
    """Return the encodings in which the data may be a text: one if it can be told, none if it is no text."""
    import chardet

    if b"\x00" in data:
        sample = data[:SAMPLE_BYTES]
        if encoding := _utf_16(sample):
            return [encoding]
    else:
        sample = telling_lines(data)
        if _is_hardly_telling(sample):
            return ["cp1252"]
    eras = chardet.EncodingEra.ALL & ~chardet.EncodingEra.MAINFRAME
    found = [
        (str(entry["encoding"]).lower().replace("-", "_"), entry["confidence"], str(entry["language"]))
        for entry in chardet.detect_all(sample, encoding_era=eras, compat_names=False, exclude_encodings=_RARE)
        if entry["encoding"]
    ]
    best: dict[str, tuple[int, int, float, str]] = {}
    for encoding, confidence, language in found:
        if confidence < CONSIDERED_SHARE * found[0][1]:
            continue
        text = sample.decode(encoding, "replace")[:JUDGED_CHARACTERS]
        key = (_odd(text, language), _rank(encoding), -confidence, encoding)
        best[text] = min(best.get(text, key), key)
    least = min((odd for odd, *_ in best.values()), default=0)
    kept = sorted((key[1:], text) for text, key in best.items() if key[0] == least)
    if not kept or least > 1 + MAX_ODD_SHARE * sum(not character.isascii() for character in kept[0][1]):
        return []
    top = min(confidence for (_, confidence, _), _ in kept)
    equal = [entry for entry in kept if entry[0][1] <= EQUAL_SHARE * top]
    chosen = equal[: 1 if equal[0][0][0] < _FIRST_RARE else MAX_CANDIDATES]
    return [encoding for (_, _, encoding), _ in chosen]


def _is_hardly_telling(sample: bytes) -> bool:
    """Return whether hardly a letter tells the encoding, and the usual Western one makes sense."""
    text = sample.decode("cp1252", "replace")
    telling = sum(not character.isascii() for character in text)
    return telling <= FEW_TELLING and len(text) <= FEW_CHARACTERS and not _odd(text, "en")


def _utf_16(sample: bytes) -> str:
    """Return the name of UTF-16 without a mark. Its characters are of few blocks, so that their high bytes are few.

    Empty: it is no UTF-16, or it is in ASCII, which chardet recognises.
    """
    if len(_NOT_ASCII_TEXT.findall(sample)) < MIN_NOT_ASCII * len(sample):
        return ""
    encoding, low = ("utf_16_le", 0) if len(set(sample[1::2])) <= len(set(sample[::2])) else ("utf_16_be", 1)
    text = sample.decode(encoding, "replace")
    return "" if b"\x00" in sample[low::2] or _odd(text) > MAX_ODD_IN_UTF_16 * len(text) else encoding


def _rank(encoding: str) -> int:
    return next((rank for rank, name in enumerate(_USUAL) if encoding.startswith(name)), len(_USUAL))


def _odd(text: str, language: str = "") -> int:
    """Return the number of odd places, and of letters that the language does not have."""
    odd = len(_ODD.findall("".join(map(_kind, text))))
    if letters := _LETTERS.get(language):
        odd += sum(not letter.isascii() and letter not in letters and letter.isalpha() for letter in text.lower())
    return odd


@lru_cache(maxsize=4096)
def _kind(character: str) -> str:
    """Return a letter for the kind of a character: l and L for Latin, o and O for another script with capitals."""
    if character.isascii() and not character.isalpha():
        return "," if character in ",;!?" else " " if character.isprintable() or character.isspace() else "s"
    category = unicodedata.category(character)
    if category[0] == "L":
        kind = "l" if unicodedata.name(character, "").startswith("LATIN") else "h" if category == "Lo" else "o"
        return kind.upper() if category == "Lu" else kind
    if character in _QUOTES:
        return "q"
    if character in _OPENING:
        return "v"
    is_usual = category[0] in "MZ" or category == "Nd" or character in _DASHES or "\u3000" <= character != "\ufffd"
    return " " if is_usual or (category == "Po" and ord(character) > 0x36F and ord(character) < 0x2000) else "s"


def telling_lines(data: bytes) -> bytes:
    """Return the lines with bytes beyond ASCII, at most `SAMPLE_BYTES`. One by one, since there may be millions."""
    lines: list[bytes] = []
    room, at = SAMPLE_BYTES, 0
    while room > 0 and (found := _BEYOND_ASCII.search(data, at)):
        start = max(at, *(data.rfind(line_end, at, found.start()) + 1 for line_end in (b"\n", b"\r")))
        # A line may be a whole book, so the sample begins near the byte that was found.
        start = max(start, found.start() - room // 2)
        stop = _LINE_END.search(data, found.end(), found.end() + room)
        at = stop.end() if stop else found.end() + room
        lines.append(data[start:at][:room])
        room -= len(lines[-1])
    return b"".join(lines)
