"""The weekly mail to the owner of projects: text, HTML with the plots inside, and the reports as PDF."""

from collections.abc import Iterable
from dataclasses import dataclass
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from email.utils import make_msgid, parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, SafeMIMEMultipart
from django.template.loader import render_to_string

from apps.projects.reports import pdf, plots, png
from apps.projects.reports.figures import Figures
from apps.projects.reports.filename import filename
from apps.projects.reports.tiles import Tile, tiles
from apps.projects.reports.wording import counted, duration, noun_of, plural

#: Number of projects that the mail shows with plots, and that it names. Of the others it says the number.
MAX_SHOWN, MAX_NAMED = 5, 50
PLOTS_A_PROJECT = 2
#: Figures for which a telephone has room side by side, besides the words.
MAIN_TILES = ("document", "documents", "to read")
#: Largest width of a plot, in a mail reader's pixels.
PLOT_WIDTH_PX = 556
#: Number of documents of a project that the text names.
MAX_DOCUMENT_LINES = 50
#: Largest size of all attached PDFs. Many servers take 10 MB, and base64 adds a third.
MAX_ATTACHED_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A plot in the mail. The HTML refers to it by its `content_id`, which has no angle brackets here."""

    content_id: str
    title: str
    note: str
    description: str
    width: int
    png: bytes


@dataclass(frozen=True, kw_only=True)
class Section:
    """One project in the mail. Without tiles it is named in one line."""

    name: str
    text: str
    line: str
    noun: str
    words: int
    new_words: int
    tiles: list[Tile]
    pictures: list[Picture]
    pdf: bytes


class WeeklyMail(EmailMultiAlternatives):
    """A mail whose pictures belong to its HTML. A mail reader shows them in the HTML, not below it."""

    def __init__(self, *args: Any, pictures: Iterable[Picture], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pictures = list(pictures)

    def message(self) -> Any:  # type: ignore[override]
        root: Any = super().message()
        alternative = next((part for part in root.walk() if part.get_content_subtype() == "alternative"), None)
        if alternative is not None and self.pictures:
            html = alternative.get_payload().pop()
            related = SafeMIMEMultipart(_subtype="related", encoding=settings.DEFAULT_CHARSET)
            related.set_param("type", "text/html")
            related.attach(html)
            for picture in self.pictures:
                related.attach(_part(picture))
            alternative.attach(related)
        return root


def section(figures: Figures, *, is_shown: bool) -> Section:
    """Return the section of a project: with plots and PDF if it `is_shown`, else in one line."""
    shown = is_shown and bool(figures.documents)
    drawn = plots.made(figures, width=plots.MAIL)[:PLOTS_A_PROJECT] if shown else []
    main = (figures.noun, plural(figures.noun), *MAIN_TILES)
    return Section(
        name=figures.name,
        text=text(figures),
        line=summary(figures),
        noun=figures.noun,
        words=figures.words,
        new_words=figures.new_words,
        tiles=[tile for tile in tiles(figures) if tile.name in main] if shown else [],
        pictures=[
            Picture(
                content_id=f"{plot.name}-{figures.project_id}@reports",
                title=plot.title,
                note=plot.note,
                description=plot.description,
                width=PLOT_WIDTH_PX,
                png=png.image(plot),
            )
            for plot in drawn
        ],
        pdf=pdf.render(figures) if shown and figures.processed else b"",
    )


def compose(sections: list[Section], *, projects: int, to: str, message_id: str | None) -> WeeklyMail:
    """Return the mail.

    Parameters:
      sections: The first projects.
      projects: Number of all projects.
      message_id: The same for each attempt, so that a mail reader that gets the mail twice may show it once. None: a
        new one.
    """
    words, new = sum(one.words for one in sections), sum(one.new_words for one in sections)
    noun = noun_of(one.noun for one in sections)
    left_out = projects - len(sections)
    subject = f"Weekly summary: {counted(projects, 'project')}"
    if not left_out:
        subject += f", {counted(words, noun)}"
    rule = "\n\n" + "-" * 40 + "\n\n"
    body = rule.join(one.text for one in sections) + "\n"
    if left_out:
        body += f"\nAnd {counted(left_out, 'more project')}.\n"
    context = {
        "shown": [one for one in sections if one.tiles],
        "others": [one for one in sections if not one.tiles],
        "left_out": left_out,
        "subject": subject,
        "new": counted(new, f"new {noun}") if new else "",
    }
    mail = WeeklyMail(
        subject=subject,
        body=body,
        to=[to],
        headers={"Message-ID": message_id or make_msgid(domain=_domain()), "Auto-Submitted": "auto-generated"},
        pictures=[picture for one in sections for picture in one.pictures],
    )
    mail.attach_alternative(render_to_string("projects/weekly_mail.html", context), "text/html")
    size_bytes = 0
    for one in sections:
        size_bytes += len(one.pdf)
        if one.pdf and size_bytes <= MAX_ATTACHED_BYTES:
            mail.attach(filename(one.name, kind="pdf"), one.pdf, "application/pdf")
    return mail


def message_id(task_id: str) -> str:
    """Return the Message-ID of the mail that a task sends. It is the same for each attempt."""
    return f"<{task_id}@{_domain()}>"


def text(figures: Figures) -> str:
    """Return a project as plain text."""
    head = [
        figures.name,
        f"{counted(figures.documents, 'document')}, {figures.processed:,} processed",
        f"{counted(figures.words, figures.noun)} in {counted(figures.chapters, 'chapter')}, "
        f"{duration(figures.reading_minutes)} to read",
    ]
    if figures.new_documents:
        head.append(
            f"New in 7 days: {counted(figures.new_documents, 'document')}, {counted(figures.new_words, figures.noun)}"
        )
    lines = [
        f"- {line.title}: {line.status.lower()}"
        if line.words is None
        else f"- {line.title}: {counted(line.words, line.unit)}, {counted(line.chapters, 'chapter')}, "
        f"{duration(line.reading_minutes or 0)}"
        for line in figures.lines[:MAX_DOCUMENT_LINES]
    ]
    if figures.documents > len(lines):
        lines.append(f"- and {figures.documents - len(lines):,} more")
    return "\n".join([*head, *([""] if lines else []), *lines])


def summary(figures: Figures) -> str:
    """Return a project in a line."""
    return f"{counted(figures.documents, 'document')}, {counted(figures.words, figures.noun)}"


def _part(picture: Picture) -> MIMEBase:
    part = MIMEImage(picture.png, _subtype="png")
    part.add_header("Content-ID", f"<{picture.content_id}>")
    part.add_header("Content-Disposition", "inline", filename=f"{picture.content_id.partition('@')[0]}.png")
    return part


def _domain() -> str:
    """Return the domain of the sender's address."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
