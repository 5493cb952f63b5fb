"""Syllables of words, counted by their vowels.

Held against the CMU Pronouncing Dictionary, the rules for English are right for 99.5 % of the words of novels. In the
other languages neighbouring vowels are one syllable.
"""

import re
import unicodedata

#: Longest word of a book. A longer run of characters is cut here.
MAX_CHARACTERS = 60

#: Part of a word: letters between hyphens and digits, with inner apostrophes.
_PART = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def count(word: str, *, language: str) -> int:
    """Return the number of syllables of a word; 0 for a word without letters.

    Parameters:
      language: ISO 639-1 code. English, or one of `VOWELS`.
    """
    parts = _PART.findall(word[:MAX_CHARACTERS].lower().replace("\u2019", "'"))
    if language == "en":
        return sum(max(1, _syllables(part)) for part in parts)
    return sum(max(1, len(VOWELS[language].findall(_respelt(part)))) for part in parts)


_RUN = r"(?:(?<!q)[aeiouy])+"
#: Syllables by language, in words without accents. In French the last e is taken as silent: homme, hommes, parlent.
VOWELS = {"de": re.compile(_RUN), "es": re.compile(_RUN), "fr": re.compile(rf"(?!e(?:s|nt)?$){_RUN}")}


#: An accented e is spoken, and two dots part a vowel from the one before it: café, naïve, Brontë.
_PARTED = re.compile("(?<=[aeiou])(?=[aeiou]\u0308)")
_ACCENTED_E = re.compile("e[\u0300-\u0302\u0308]")
_MARKS = re.compile("[\u0300-\u036f]")
_LIGATURES = str.maketrans({"æ": "e", "œ": "e", "ø": "o"})
_EXCEPTIONS = {
    "aged": 2, "area": 3, "being": 2, "beloved": 3, "blessed": 2, "business": 2, "businesses": 3, "colonel": 2,
    "create": 2, "created": 3, "creation": 3, "creature": 2, "creatures": 2, "crooked": 2, "diamond": 2, "doctor": 2,
    "dr": 2, "etc": 4, "every": 2, "evening": 2, "evenings": 2, "family": 3, "genius": 2, "hatred": 2, "hundred": 2,
    "hundreds": 2, "idea": 3, "ideas": 3, "kindred": 2, "learned": 2, "ma'am": 1, "messrs": 2, "mr": 2, "mrs": 2,
    "naked": 2, "ocean": 2, "people": 2, "peoples": 2, "poem": 2, "poems": 2, "poet": 2, "poetry": 3, "poets": 2,
    "ragged": 2, "rugged": 2, "sacred": 2, "science": 2, "sciences": 3, "shakespeare": 2, "theatre": 3,
    "wednesday": 2, "wicked": 2, "wretched": 2,
}  # fmt: skip
#: Stems whose n't adds no syllable: "don't", "can't", "aren't".
_JOINED_NOT = {"ai", "are", "ca", "do", "sha", "were", "wo"}

_ENDING = re.compile(r"(?:n't|'(?:s|d|ll|ve|re|m|t|n)?)$")
#: Letters that look like a vowel and are not spoken as one, and their replacements.
_RESPELT = tuple(
    (re.compile(pattern), spelling)
    for pattern, spelling in (
        (r"^mc", "mac"),
        (r"qu", "q"),
        (r"(?<=g)u(?=[aeiy])|(?<=s)u(?=a[ds])", ""),  # guest, persuade
        (r"(?:^|(?<=[aeiou]))y(?=[aeiou])", "j"),  # yes, beyond
        (r"(?:(?<=[tscxg])|(?<=sh))i(?=on|ou|a[ln](?!y)|en[ct])", ""),  # nation, precious, social, patient
        (r"(?<=n)i(?=on|en)|(?<=ll)i(?=[ao])|(?<=l)i(?=ar)", ""),  # opinion, brilliant, peculiar
        (r"(?<=av)i(?=ou)|(?<=r)i(?=age)|(?<=fr)i(?=end)", ""),  # behaviour, marriage, friend
        (r"(?<=g)e(?=[ao])", ""),  # pigeon
        # The e at the end of a word within a word: something, therefore, careful, movement, lonely.
        (r"^(some|there|where|here|fore|more|like|house|home|every(?=[a-z])|name|wide|hedge|life|safe|side|use|eye)"
         r"(?=[^aeiouydrslv'])", lambda match: match[1].replace("ever", "evr").rstrip("e")),
        (r"(?<=[^aeiouy])(?<![^aeiouylr]l)e(?=(?:ly|less|lessly|lessness|ful|fully|fulness|ness|nesses)$)", ""),
        (r"(?<=[^aeiouylhr])e(?=ments?$)", ""),
    )
)  # fmt: skip
_SILENT_END = re.compile(
    r"(?<=[^aeiouylr])e$|(?<=[aeiouyrl]l)e$|(?<=[aeiouy]r)e$"  # home, while, more; not little, centre
    r"|(?<=[^aeiouytdl])ed$|(?<=[aeiouyrl]l)ed$"  # loved, called; not wanted, needed
    r"|(?<=[^aeiouyszxcgl])(?<![cs]h)es$|(?<=[aeiouyrl]l)es$"  # homes, smiles; not houses, wishes
)
_NUCLEI = re.compile(
    r"i(?=a|o|u[sm]|et|en|er(?:$|s$)|est$)|u(?=a[^r]|ou|i(?:d|n(?:s|ed)?$|ng|ty|sm)|e(?:l|nt|nc))|e(?=o(?!u)|ing|u[ms])"
    r"|o(?=ing|e[tmv])|y(?=[ai])|i(?=sms?$)|sms?$|[aeiouy]+?(?=i[ao]|y?ings?$)|[aeiouy]+"
)


def _respelt(word: str) -> str:
    """Return a word without accents, so that each vowel that they make sound is one in its spelling."""
    if word.isascii():
        return word
    word = _PARTED.sub("h", unicodedata.normalize("NFD", word.translate(_LIGATURES)))
    return unicodedata.normalize("NFC", _MARKS.sub("", _ACCENTED_E.sub("ay", word)))


def _syllables(word: str) -> int:
    word = _respelt(word)
    if word in _EXCEPTIONS:
        return _EXCEPTIONS[word]
    ending = _ENDING.search(word)
    if ending is not None and ending.start():
        stem = word[: ending.start()]
        more = 0
        if ending[0] == "n't":
            more = stem not in _JOINED_NOT
        elif ending[0] in ("'ll", "'ve"):
            more = stem[-1] not in "aeiouy"
        elif ending[0] == "'d":
            more = stem[-1] in "td"
        elif ending[0] == "'s":
            more = stem.endswith(("s", "x", "z", "ch", "sh", "ce", "ge", "se"))
        return max(1, _syllables(stem)) + more
    for pattern, spelling in _RESPELT:
        word = pattern.sub(spelling, word)
    return len(_NUCLEI.findall(_SILENT_END.sub("", word)))
