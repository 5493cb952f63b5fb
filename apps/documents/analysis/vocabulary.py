"""Words that head the divisions of books, by language. A new language is a line of the table."""

import unicodedata
from collections.abc import Iterable
from typing import Final

#: Words for a chapter, for a part or a volume, for a prologue, and for an epilogue, by ISO 639-1 code. `_` is a space.
LANGUAGES: Final = {
    "af": "hoofstuk | deel boek | proloog | epiloog",
    "ar": "الفصل فصل الباب باب | الجزء جزء الكتاب القسم المجلد | مقدمة المقدمة تمهيد | خاتمة الخاتمة",
    "az": "fəsil | hissə kitab | proloq | epiloq",
    "be": "раздзел глава | частка кніга | пралог | эпілог",
    "bg": "глава | част книга том | пролог | епилог",
    "bn": "অধ্যায় অধ্যায় পরিচ্ছেদ | খণ্ড পর্ব | প্রস্তাবনা | উপসংহার",
    "ca": "capítol | part llibre volum | pròleg | epíleg",
    "cs": "kapitola hlava | část díl kniha svazek | prolog předehra | epilog dohra",
    "cy": "pennod | rhan llyfr | prolog | epilog",
    "da": "kapitel | del bog bind | prolog | epilog",
    "de": "kapitel capitel | teil buch band | prolog | epilog",
    "el": "κεφάλαιο κεφάλαιον | μέρος βιβλίο βιβλίον τόμος | πρόλογος | επίλογος",
    "en": "chapter chap. ch. | part book volume vol. | prologue prolog | epilogue epilog",
    "eo": "ĉapitro | parto libro | prologo | epilogo",
    "es": "capítulo | parte libro tomo | prólogo | epílogo",
    "et": "peatükk | osa raamat köide | proloog | epiloog",
    "eu": "kapitulua atala | zatia liburua | hitzaurrea | epilogoa",
    "fa": "فصل باب | بخش کتاب جلد | پیشگفتار مقدمه | پایان",
    "fi": "luku | osa kirja nide | prologi | epilogi",
    "fr": "chapitre | partie livre tome volume | prologue | épilogue",
    "ga": "caibidil | cuid leabhar | réamhrá | iarfhocal",
    "gu": "પ્રકરણ અધ્યાય | ભાગ ખંડ | પ્રસ્તાવના | ઉપસંહાર",
    "he": "פרק | חלק ספר כרך | פרולוג | אפילוג",
    "hi": "अध्याय परिच्छेद प्रकरण | भाग खंड खण्ड | प्रस्तावना | उपसंहार",
    "hr": "poglavlje glava | dio knjiga svezak | prolog | epilog",
    "hu": "fejezet | rész könyv kötet | prológus előhang | epilógus utóhang",
    "hy": "գլուխ | մաս գիրք հատոր | նախաբան | վերջաբան",
    "id": "bab | bagian buku jilid | prolog | epilog",
    "is": "kafli kapítuli | hluti bók | formáli | eftirmáli",
    "it": "capitolo cap. | parte libro tomo volume | prologo | epilogo",
    "ja": " | | プロローグ 序章 | エピローグ 終章",
    "ka": "თავი | ნაწილი წიგნი | პროლოგი | ეპილოგი",
    "kk": "тарау | бөлім кітап | пролог | эпилог",
    "km": "ជំពូកទី ជំពូក | ភាគ | អារម្ភកថា | អវសានកថា",
    "kn": "ಅಧ್ಯಾಯ | ಭಾಗ | ಮುನ್ನುಡಿ | ಉಪಸಂಹಾರ",
    "ko": " | | 프롤로그 서장 | 에필로그 종장",
    "la": "caput | liber pars tomus | prologus | epilogus",
    "lo": "ບົດທີ | ພາກ | ບົດນໍາ | ບົດສະຫຼຸບ",
    "lt": "skyrius | dalis knyga tomas | prologas | epilogas",
    "lv": "nodaļa | daļa grāmata | prologs | epilogs",
    "mk": "глава поглавје | дел книга | пролог | епилог",
    "ml": "അധ്യായം അദ്ധ്യായം | ഭാഗം | ആമുഖം | ഉപസംഹാരം",
    "mn": "бүлэг | хэсэг дэвтэр | оршил | төгсгөл",
    "mr": "प्रकरण | भाग | प्रस्तावना | उपसंहार",
    "my": "အခန်း | အပိုင်း | နိဒါန်း | နိဂုံး",
    "nl": "hoofdstuk | deel boek | proloog | epiloog",
    "no": "kapittel kapitel | del bok bind | prolog | epilog",
    "pl": "rozdział | część tom księga | prolog | epilog",
    "pt": "capítulo | parte livro tomo | prólogo | epílogo",
    "ro": "capitolul capitol | partea cartea volumul | prolog prologul | epilog epilogul",
    "ru": "глава | часть книга том | пролог | эпилог",
    "sk": "kapitola hlava | časť diel kniha zväzok | prológ | epilóg",
    "sl": "poglavje | del knjiga | prolog | epilog",
    "sq": "kapitulli | pjesa libri | prologu | epilogu",
    "sr": "поглавље глава poglavlje | део књига deo | пролог prolog | епилог epilog",
    "sv": "kapitel kapitlet capitlet kap. | del delen bok boken bandet | prolog | epilog",
    "sw": "sura | sehemu kitabu | dibaji | hitimisho",
    "ta": "அத்தியாயம் | பாகம் | முன்னுரை | முடிவுரை",
    "te": "అధ్యాయం అధ్యాయము | భాగం | ప్రస్తావన | ముగింపు",
    "th": "บทที่ ตอนที่ | ภาค เล่ม | บทนำ | บทส่งท้าย",
    "tl": "kabanata | bahagi aklat | prologo | epilogo",
    "tr": "bölüm | k\u0131s\u0131m kitap cilt | prolog önsöz | epilog sonsöz",
    "uk": "розділ глава | частина книга том | пролог | епілог",
    "ur": "باب فصل | حصہ جلد | پیش_لفظ | اختتامیہ",
    "vi": "chương hồi | phần quyển tập | lời_mở_đầu | vĩ_thanh lời_kết",
    "zh": " | 卷 部 | 楔子 序章 引子 | 尾声 尾聲 终章 終章 后记 後記",
}
#: Divisions that are chapters where a book has no others.
ENGLISH_OTHERS = "letter act scene canto stave adventure story tale fable sketch lecture sermon essay day night brief"
OTHERS = (
    f"{ENGLISH_OTHERS} akt szene "
    "aufzug gesang lettre acte scène chant lettera atto scena carta acto escena ato cena list jednání výstup dějství "
    "письмо действие акт явление сцена лист дія ява brev scen levél felvonás sahne perde scenă actul"
)
#: Words before a number that is none of a chapter.
NO_DIVISIONS = (
    "page seite pagina página strona strana sida side sivu oldal страница сторінка figure fig figura abb abbildung "
    "table tabelle tableau tabla plate illustration image photo note footnote fußnote verse line item question version "
    "answer exercise january february march april may june july august september october november december"
)
#: Signs for a chapter and for a part, after the number, in Han characters and in Hangul.
SIGNS, PART_SIGNS = "章回话話折节節幕夜齣장화회막절", "卷部篇集編冊册부편권"

#: Titles of a table of contents, and of what else stands around the chapters.
CONTENTS: Final = (
    "contents|table of contents|the contents|inhalt|inhaltsverzeichnis|inhaltsübersicht|table des matières"
    "|table des matieres|table|sommaire|índice|indice|indice generale|sumario|sumário|inhoud|inhoudsopgave|innehåll"
    "|innehållsförteckning|indhold|indholdsfortegnelse|innhold|innholdsfortegnelse|sisällys|sisällysluettelo"
    "|sisukord|spis treści|spis tresci|obsah|tartalom|tartalomjegyzék|cuprins|cuprinsul|sadržaj|kazalo|turinys|saturs"
    "|содержание|оглавление|зміст|съдържание|садржај|περιεχόμενα|περιεχομενα|içindekiler|mục lục|daftar isi|目录|目錄"
    "|目次|차례|목차|المحتويات|الفهرس|فهرست|תוכן|תוכן העניינים|विषय-सूची|विषय सूची|अनुक्रमणिका|สารบัญ"
)
AROUND: Final = (
    "cover|front cover|back cover|cover page|cover image|half title|halftitle|half-title|half title page|title page"
    "|titlepage|title-page|titelblatt|page de titre|portada|portadilla|cubierta|copyright|copyright page"
    "|copyright notice|uncopyright|imprint|impressum|colophon|license|licence|the full project gutenberg license"
    "|full project gutenberg license|project gutenberg license|the full project gutenberg\u2122 license"
    "|the full project gutenberg-tm license|transcriber's note|transcriber's notes|transcriber\u2019s note"
    "|transcriber\u2019s notes|landmarks|notes|note|endnotes|footnotes|notas|anmerkungen|fußnoten|fussnoten"
    "|notes de bas de page|примечания|сноски|примітки|jegyzetek|přípisky|przypisy|illustrations|list of illustrations"
    "|list of figures|list of tables|list of plates|list of abbreviations|index|general index|bibliography"
    "|advertisement|advertisements|注释|註釋|脚注|版权页|奥付"
)
_CONTENTS = frozenset(CONTENTS.split("|"))
_AROUND = _CONTENTS | frozenset(AROUND.split("|"))


def is_contents(title: str) -> bool:
    return _named(title) in _CONTENTS


def is_around(title: str) -> bool:
    """Return whether a title is that of a part that is no chapter: contents, a cover, a licence, notes."""
    return _named(title) in _AROUND


def _named(title: str) -> str:
    return " ".join(title.lower().split()).strip(" .:*_=#")


def _fields() -> Iterable[list[list[str]]]:
    for line in LANGUAGES.values():
        yield [[word.replace("_", " ") for word in field.split()] for field in line.split("|")]


def plain(word: str) -> str:
    """Return a word in lower case without the accents that capitals and hasty writers leave out."""
    folded = unicodedata.normalize("NFC", word.casefold())
    if unicodedata.name(folded[:1], "").partition(" ")[0] not in ("LATIN", "GREEK"):
        return folded
    return "".join(one for one in unicodedata.normalize("NFD", folded) if not unicodedata.combining(one))


def _words(number: int) -> tuple[str, ...]:
    words = {form for fields in _fields() for word in fields[number] for form in (word, plain(word))}
    return tuple(sorted(words, key=lambda word: (-len(word), word)))


CHAPTERS, PARTS, PROLOGUES, EPILOGUES = map(_words, range(4))
OTHER_WORDS = tuple(sorted({*OTHERS.split()} - {*CHAPTERS, *PARTS}, key=lambda word: (-len(word), word)))
