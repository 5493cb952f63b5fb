"""One kind of line end."""


def normalised(text: str) -> str:
    """Return the text with every line end as a line feed.

    CRLF and CR, the Unicode line and paragraph separators and page breaks become line feeds.
    """
    for line_end in ("\r\n", "\r", "\u2028", "\u2029", "\f", "\x85"):
        if line_end in text:
            text = text.replace(line_end, "\n")
    return text
