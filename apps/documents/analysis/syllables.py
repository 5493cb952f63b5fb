"""Syllables, counted by the vowels that are spoken."""

import re
from collections.abc import Callable

#: A word of a book is no longer; a longer one is a string of characters.
MAX_CHARACTERS = 60

#: What stands between hyphens and digits is counted by itself.
_PART = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def count(word: str, *, language: str) -> int:
    """How many syllables a word has; 0 for one without letters.

    Parameters:
      language: One of `LANGUAGES`.
    Raises:
      KeyError: There are no rules for the language.
    """
    rules = _RULES[language]
    parts = _PART.findall(word[:MAX_CHARACTERS].lower().replace("\u2019", "'"))
    return sum(max(1, rules(part)) for part in parts)


# --- English -------------------------------------------------------------------------------------

_ENGLISH_EXCEPTIONS = {
    "aged": 2, "area": 3, "being": 2, "beloved": 3, "blessed": 2, "business": 2, "businesses": 3, "colonel": 2,
    "create": 2, "created": 3, "creation": 3, "creature": 2, "creatures": 2, "crooked": 2, "diamond": 2, "doctor": 2,
    "dr": 2, "etc": 4, "every": 2, "evening": 2, "evenings": 2, "family": 3, "genius": 2, "hatred": 2, "hundred": 2,
    "hundreds": 2, "idea": 3, "ideas": 3, "kindred": 2, "learned": 2, "ma'am": 1, "messrs": 2, "mr": 2, "mrs": 2,
    "naked": 2, "ocean": 2, "people": 2, "peoples": 2, "poem": 2, "poems": 2, "poet": 2, "poetry": 3, "poets": 2,
    "ragged": 2, "rugged": 2, "sacred": 2, "science": 2, "sciences": 3, "shakespeare": 2, "theatre": 3,
    "wednesday": 2, "wicked": 2, "wretched": 2,
}  # fmt: skip
#: Here the n't is a part of the one syllable: "don't", "can't", "aren't".
_ENGLISH_JOINED_NOT = {"ai", "are", "ca", "do", "sha", "were", "wo"}

_ENGLISH_ENDING = re.compile(r"(?:n't|'(?:s|d|ll|ve|re|m|t|n)?)$")
#: What is written and not spoken as a vowel of its own, and what is put in its place.
_ENGLISH_RESPELT = tuple(
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
_ENGLISH_SILENT_END = re.compile(
    r"(?<=[^aeiouylr])e$|(?<=[aeiouyrl]l)e$|(?<=[aeiouy]r)e$"  # home, while, more; not little, centre
    r"|(?<=[^aeiouytdl])ed$|(?<=[aeiouyrl]l)ed$"  # loved, called; not wanted, needed
    r"|(?<=[^aeiouyszxcgl])(?<![cs]h)es$|(?<=[aeiouyrl]l)es$"  # homes, smiles; not houses, wishes
)
_ENGLISH_NUCLEI = re.compile(
    r"i(?=a|o|u[sm]|et|en|er(?:$|s$)|est$)|u(?=a[^r]|ou|i(?:d|n(?:s|ed)?$|ng|ty|sm)|e(?:l|nt|nc))|e(?=o(?!u)|ing|u[ms])"
    r"|o(?=ing|e[tmv])|y(?=[ai])|i(?=sms?$)|sms?$|[aeiouy]+?(?=i[ao]|y?ings?$)|[aeiouy]+"
)


def _english(word: str) -> int:
    if word in _ENGLISH_EXCEPTIONS:
        return _ENGLISH_EXCEPTIONS[word]
    ending = _ENGLISH_ENDING.search(word)
    if ending is not None and ending.start():
        stem = word[: ending.start()]
        more = 0
        if ending[0] == "n't":
            more = stem not in _ENGLISH_JOINED_NOT
        elif ending[0] in ("'ll", "'ve"):
            more = stem[-1] not in "aeiouy"
        elif ending[0] == "'d":
            more = stem[-1] in "td"
        elif ending[0] == "'s":
            more = stem.endswith(("s", "x", "z", "ch", "sh", "ce", "ge", "se"))
        return max(1, _english(stem)) + more
    for pattern, spelling in _ENGLISH_RESPELT:
        word = pattern.sub(spelling, word)
    return len(_ENGLISH_NUCLEI.findall(_ENGLISH_SILENT_END.sub("", word)))


# --- Other languages -----------------------------------------------------------------------------

_GERMAN_NUCLEI = re.compile(r"e(?=um$)|aa|ee|oo|ie|ei|ey|ai|ay|au|äu|eu|[aeiouyäöüáàâéèêëíîïóôúû]")
_DUTCH_NUCLEI = re.compile(
    r"aai|ooi|oei|eeu|ieu|aa|ee|oo|uu|ie|oe|eu|ui|ei|ij|au|ou|ai|oi|y(?![aeou])|[aeiouäëïöüáàâéèêíîóôúû]"
)
_RUSSIAN_NUCLEI = re.compile(r"[аеёиоуыэюя]")
_TURKISH_NUCLEI = re.compile("[ae\u0131ioöuüâîû]")
_QU = re.compile(r"(?<=q)u|(?<=g)u(?=[eiéèêí])")

#: A weak vowel beside a strong one makes one syllable with it, unless it bears the accent.
_SPANISH_NUCLEI = re.compile(
    r"(?:[iuü](?=[aeoáéó]))?[aeoáéó](?:[iuü](?![aeoáéó])|y(?![aeiouáéíóú]))?|[íú]"
    r"|[iuü](?:[iuüíú]|y(?![aeiouáéíóú]))?|y(?![aeiouáéíóú])"
)
_ITALIAN_NUCLEI = re.compile(r"(?<=^[dmstz])[iu](?=[aeo]$)|[iu]?[aeoàèéìíòóùú](?:[iu](?![aeoàèéòó]))?|[iuyj]{1,2}")
#: A weak vowel goes with the strong one before it; before a strong one it stands for itself ("di-a").
_PORTUGUESE_NUCLEI = re.compile(
    r"ã[oe]|õe|[aeoáéóâêô][iu](?![nmrlz](?![aeiou])|nh)|[iuíú][iu](?![nmrlz](?![aeiou]))"
    r"|[aeiouyáéíóúâêôãõàü]"
)
_PORTUGUESE_QU = re.compile(r"(?<=[qg])u(?=[aeioáéíóâêôã])")

_FRENCH_RESPELT = tuple(
    (re.compile(pattern), spelling)
    for pattern, spelling in (
        (r"(?<=q)u|(?<=g)u(?=[eiéèêîy])|(?<=g)e(?=[aoâô])", ""),  # que, guerre, pigeon
        (r"(?<=[aeou])ill|(?<=œ)ill", "ll"),  # travailler, feuille
        (r"(?<=[aeouœ])il(?=s?$)", "l"),  # soleil
        (r"(?<=ai)ent$", ""),  # étaient
        (r"(?<=.)es?$", ""),  # homme, hommes, journée
        (r"(?<=[^aeiou])e(?=ments?$)", ""),  # universellement
        (r"oeu", "œu"),
    )
)
#: In the third person of the plural -ent is silent; these are endings and usual words in which it is not.
_FRENCH_SPOKEN_ENT = re.compile(r"(?:ement|[ae]mment|[tv]ient)$")
_FRENCH_SPOKEN_ENT_WORDS = {
    "absent", "absolument", "accent", "accident", "adolescent", "agent", "ardent", "argent", "argument",
    "bâtiment", "cent", "ciment", "client", "comment", "compliment", "confident", "content", "couvent", "décent",
    "dent", "différent", "document", "évident", "excellent", "ferment", "froment", "imprudent", "impatient",
    "incident", "indifférent", "innocent", "insolent", "instrument", "intelligent", "joliment", "jument", "lent",
    "mécontent", "ment", "moment", "monument", "onguent", "orient", "parent", "poliment", "présent", "président",
    "prudent", "récent", "sent", "sentiment", "serpent", "souvent", "talent", "tourment", "torrent",
    "transparent", "urgent", "vent", "violent", "vraiment",
}  # fmt: skip
_FRENCH_SILENT_ENT = re.compile(r"(?<=[^aeou])ent$")
_FRENCH_NUCLEI = re.compile(
    r"(?:(?<![bcdfgptv][lr])[iïy]|u(?=i)|ou(?=i))?"
    r"(?:eau|au|ai|aî|ei|eu|eû|œu|oi|oî|oy|ou|où|oû|[aàâeéèêëiîïoôuùûüœæy])"
)


def _matches(nuclei: re.Pattern[str]) -> Callable[[str], int]:
    return lambda word: len(nuclei.findall(word))


def _german(word: str) -> int:
    return len(_GERMAN_NUCLEI.findall(word.replace("qu", "q")))


def _spanish(word: str) -> int:
    return len(_SPANISH_NUCLEI.findall(_QU.sub("", word)))


def _italian(word: str) -> int:
    return len(_ITALIAN_NUCLEI.findall(word.replace("qu", "q")))


def _portuguese(word: str) -> int:
    return len(_PORTUGUESE_NUCLEI.findall(_PORTUGUESE_QU.sub("", word)))


def _french(word: str) -> int:
    if not (word in _FRENCH_SPOKEN_ENT_WORDS or _FRENCH_SPOKEN_ENT.search(word)):
        word = _FRENCH_SILENT_ENT.sub("", word)
    for pattern, spelling in _FRENCH_RESPELT:
        word = pattern.sub(spelling, word)
    return len(_FRENCH_NUCLEI.findall(word))


_RULES: dict[str, Callable[[str], int]] = {
    "de": _german,
    "en": _english,
    "es": _spanish,
    "fr": _french,
    "it": _italian,
    "nl": _matches(_DUTCH_NUCLEI),
    "pt": _portuguese,
    "ru": _matches(_RUSSIAN_NUCLEI),
    "tr": _matches(_TURKISH_NUCLEI),
}
#: The ISO 639-1 codes of the languages with rules.
LANGUAGES = frozenset(_RULES)
