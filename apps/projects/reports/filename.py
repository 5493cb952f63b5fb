"""The name of a report as a file on the reader's machine."""

#: Characters that some system refuses in the name of a file.
FORBIDDEN = '/\\:*?"<>|'
MAX_LENGTH = 100


def filename(project_name: str, *, kind: str) -> str:
    """Return the project's name as the name of a file of this kind, such as "pdf"."""
    kept = "".join(one if one.isprintable() and one not in FORBIDDEN else " " for one in project_name)
    return (" ".join(kept.split())[:MAX_LENGTH].strip(". ") or "report") + f".{kind}"
