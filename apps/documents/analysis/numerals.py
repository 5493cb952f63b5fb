"""Read the numbers of chapters: digits, Roman numerals and words."""

import re
import unicodedata


def _counted(words: str, step: int = 1) -> dict[str, int]:
    return {word: number * step for number, word in enumerate(words.split(), start=1)}


_UNITS = _counted(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_UNIT_ORDINALS = _counted(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
    "sixteenth seventeenth eighteenth nineteenth"
)
_TENS = _counted("ten twenty thirty forty fifty sixty seventy eighty ninety", step=10)
_GERMAN = _counted("eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf")
_GERMAN_ORDINALS = _counted("erste zweite dritte vierte fünfte sechste siebte achte neunte zehnte elfte zwölfte")
_FRENCH = _counted("un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize")

#: Number of each word.
WORDS: dict[str, int] = {
    **_UNITS,
    **_UNIT_ORDINALS,
    **_TENS,
    **{f"{word[:-1]}ieth": number for word, number in _TENS.items() if number >= 20},
    **_GERMAN,
    **{word + ending: number for word, number in _GERMAN_ORDINALS.items() for ending in ("", "s", "r")},
    "siebente": 7,
    "siebentes": 7,
    **_FRENCH,
    "premier": 1,
    "première": 1,
}
_HUNDREDS = {"hundred": 100, "hundredth": 100}
_FILLERS = frozenset({"the", "and"})

_ROMAN = re.compile(r"(?=[MDCLXVI])M{0,3}(?:CM|CD|D?C{0,4})(?:XC|XL|L?X{0,4})(?:IX|IV|V?I{0,4})", re.IGNORECASE)
#: Letters that look like Roman numerals.
_CYRILLIC = str.maketrans("\u0406\u0425", "IX")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}

#: Numerals in Han characters and in Korean words, as the content of a character class.
HAN = "零〇一二三四五六七八九十百千两兩廿卅壹贰貳叁參参肆伍陆陸柒捌玖拾佰仟壱弐"
HANGUL = "일이삼사오육칠팔구십백"
#: Signs that stand for others, such as those of banknotes.
_FORMAL = str.maketrans(
    dict(zip("壹壱贰貳弐叁參参肆伍陆陸柒捌玖拾佰仟", "一一二二二三三三四五六六七八九十百千", strict=True))
    | {"廿": "二十", "卅": "三十"}
)
_HAN_VALUES = {
    **_counted("一 二 三 四 五 六 七 八 九"), **_counted("일 이 삼 사 오 육 칠 팔 구"),
    "零": 0, "\u3007": 0, "两": 2, "兩": 2,
}  # fmt: skip
_HAN_UNITS = {"十": 10, "십": 10, "百": 100, "백": 100, "千": 1000}

_WORD = "|".join(sorted((*WORDS, *_HUNDREDS), key=len, reverse=True))
_SPACES = r"[^\S\n]++"
#: Matches a number in a line, ignoring case. Some matches are no number ("hundred two hundred"): `read` tells.
#: No number has more than four words. Without that bound, lines of such words would take quadratic time.
PATTERN = (
    rf"(?:\d{{1,4}}|(?:{_WORD})(?:(?:{_SPACES}and{_SPACES}|(?>(?:[^\S\n]|-)+))(?:{_WORD})){{0,3}}"
    rf"|[mdclxvi\u0456\u0445\u2160-\u217f]{{1,12}}|[{HAN}]{{1,8}})(?![^\W_])"
)


def read(text: str) -> int | None:
    """Return the number of a text, 1 or more. None: it is no number.

    It reads digits of every script, Roman numerals (also "IIII"), Han numerals, Korean ones to 999, and numbers and
    ordinals in words: English ones below 1,000, German ones to 12, French ones to 16.
    """
    if text.isdecimal():
        return int(text) or None
    if text and text[0] in HAN + HANGUL:
        return _from_han(text.translate(_FORMAL))
    # Words first: the French "dix" would be a Roman 509.
    number = _from_words([word for word in re.split(r"[\s-]+", text.lower()) if word not in _FILLERS])
    text = unicodedata.normalize("NFKC", text).upper().translate(_CYRILLIC)
    if number is None and _ROMAN.fullmatch(text):
        return _from_roman(text)
    return number


def _from_words(words: list[str]) -> int | None:
    at = next((index for index, word in enumerate(words) if word in _HUNDREDS), None)
    if at is None:
        return _below_hundred(words)
    hundreds = _below_hundred(words[:at]) if at else 1
    rest = _below_hundred(words[at + 1 :]) if words[at + 1 :] else 0
    if hundreds is None or hundreds > 9 or rest is None:
        return None
    return hundreds * 100 + rest


def _below_hundred(words: list[str]) -> int | None:
    match [WORDS.get(word) for word in words]:
        case [int(number)]:
            return number
        case [int(tens), int(units)] if tens >= 20 and units < 10:
            return tens + units
    return None


def _from_roman(text: str) -> int:
    values = [_ROMAN_VALUES[letter] for letter in text]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


def _from_han(text: str) -> int | None:
    """Return the number of "三十二", and of "三二", in which digits stand one after the other."""
    if not any(sign in _HAN_UNITS for sign in text):
        digits = "".join(str(_HAN_VALUES.get(sign, "")) for sign in text)
        return int(digits) or None if len(digits) == len(text) else None
    number = digit = 0
    for sign in text:
        if sign in _HAN_UNITS:
            number += (digit or 1) * _HAN_UNITS[sign]
            digit = 0
        elif (value := _HAN_VALUES.get(sign)) is not None:
            digit = value
        else:
            return None
    return number + digit
