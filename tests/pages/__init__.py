"""HTML pages as tests read them."""

from html.parser import HTMLParser
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

#: Attributes by which a page makes the browser load a file. A link to another page is not among them.
LOADING = {
    ("link", "href"), ("script", "src"), ("img", "src"), ("img", "srcset"), ("iframe", "src"), ("source", "src"),
    ("video", "src"), ("audio", "src"), ("embed", "src"), ("object", "data"), ("use", "href"),
}  # fmt: skip


class Page(HTMLParser):
    """A page's text, the files it loads, and its elements.

    Parameters:
      loads: The addresses of the files.
      elements: Pairs of tag and attributes.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.loads: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.loads += [value for name, value in attrs if (tag, name) in LOADING and value]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        """The text of the page, with single spaces."""
        return " ".join(" ".join(self.texts).split())

    def with_attribute(self, name: str, value: str) -> list[dict[str, str | None]]:
        """Return the attributes of all elements that have this one."""
        return [attributes for _, attributes in self.elements if attributes.get(name) == value]


def get(client: Client, address: str, **query: Any) -> Page:
    """Return the page at the address. It must exist."""
    response = client.get(address, query)
    assert response.status_code == 200, f"{address} answered {response.status_code}"
    return Page(response.content.decode())


def statements(client: Client, address: str, **query: Any) -> list[str]:
    """Return the SQL statements that make the page, once all that is cached between requests is there."""
    get(client, address, **query)
    with CaptureQueriesContext(connection) as queries:
        get(client, address, **query)
    return [query["sql"] for query in queries.captured_queries]
