"""What a report is called where it becomes a file of the reader's."""

#: What some system does not take in the name of a file.
FORBIDDEN = '/\\:*?"<>|'
MAX_LENGTH = 100


def filename(project_name: str, *, kind: str) -> str:
    """The project's name with a suffix, without what a file's name must not have. Parameters: kind: Such as "pdf"."""
    kept = "".join(one if one.isprintable() and one not in FORBIDDEN else " " for one in project_name)
    return (" ".join(kept.split())[:MAX_LENGTH].strip(". ") or "report") + f".{kind}"
