"""Random requests to every address of the site, made from a seed."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from django.apps import apps
from django.contrib.admindocs.views import extract_views_from_urlpatterns, simplify_regex
from django.urls import get_resolver

METHODS = ("GET",) * 5 + ("POST",) * 5 + ("HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
#: Addresses that end the session of the user who asks.
ENDS_SESSIONS = ("logout", "sign-out")


#: Names in forms, in JSON and in queries, besides the fields of the models.
NAMES = (
    "q", "p", "o", "e", "all", "page", "page_size", "next", "_popup", "_to_field", "_changelist_filters", "status",
    "status__in", "status__exact", "project", "project__id__exact", "owner", "name", "title", "text", "file", "chosen",
    "action", "_selected_action", "select_across", "index", "csrfmiddlewaretoken", "username", "password",
    "from_project", "expires_at", "expires_at_0", "expires_at_1", "cron", "interval", "interval_seconds", "kwargs",
    "task_name", "time_zone", "jitter_seconds", "start_at_0", "start_at_1", "app_label", "model_name", "field_name",
    "term", "related_object_type", "task_id", "actor", "queue_name", "old_password", "new_password1", "format", "id",
    "initial", "_save", "chapters-TOTAL_FORMS", "chapters-INITIAL_FORMS", "run_at__gte", "created_at__year",
)  # fmt: skip
#: Values that code which trusts its input fails on.
VALUES = (
    "", "0", "1", "-1", "1.5", "on", "x", "a b", "%", "%s", "{}", "[]", "null", "{", "nan", "1e999", "9" * 20,
    "1" * 400, "\0", "a\0b", "\ufffe", "\U0001f600", "e\u0301" * 50, "\u202e", "\r\n", "a\nb", "' OR 1=1 --", '"', "\\",
    "..", "//x", "http://elsewhere.example/", "2026-13-45", "0000-00-00", "99999-01-01T00:00:00Z", "24:61", "* * * * *",
    "\u0661", "\u00b2", "x" * 5_000, "documents", "accounts.user", "owner__password", "__proto__", "delete_selected",
    "text/html", "application/json", "-id", "id,id", "<b>", "\ud800",
)  # fmt: skip
#: Parts of addresses in the place of a parameter.
PARTS = (
    "0", "-1", "9" * 25, "x", "a b", "%", "\u00e9", "\u0661", "x" * 300, "_3A", "_00", "..", ";", "1,2", "add", "None",
    "0123456789abcdef-not-a-uuid", "\U0001f600",
)  # fmt: skip
BODIES = (
    b"", b"\0", b"\xff\xfe\x00", b"{", b"[]", b"null", b"\"x\"", b"{\"a\":" * 300, b"1" * 5_000, b"NaN",
    b"\xef\xbb\xbf{}", b"{\"name\": \"\\ud800\"}", b"{\"name\": \"\\u0000\"}", b"--x--", b"--x\r\n\r\n\r\n--x--\r\n",
    b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Transfer-Encoding: base64\r\n\r\n=\r\n--x--\r\n",
)  # fmt: skip
KINDS = (
    "application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain",
    "multipart/form-data", "text/plain; charset*=foo''bar", "application/json; charset=utf-16", "a/b;c*0=d;c*1=e", "",
    "application/x-www-form-urlencoded; charset=latin-1", "multipart/form-data; boundary=x; charset=utf-7",
)  # fmt: skip
HEADERS = (
    "Accept: text/html", "Accept: */*;q=x", "Accept: text/event-stream", "Accept: \xff", "Accept-Language: xx;q=9,\x80",
    "Accept-Encoding: gzip;q=nan", "If-Modified-Since: x", "If-None-Match: \xff", "Range: bytes=9-1", "Range: x=\xe9",
    "Referer: http://[", "Origin: null", "Origin: http://[::1", "X-Forwarded-For: x",
    "X-Requested-With: XMLHttpRequest", "Last-Event-ID: \xff", "Authorization: Token \xff", "Authorization: Token a b",
    "Authorization: Basic x",
    "Authorization: Bearer", "Cookie: sessionid=\xff", 'Cookie: sessionid="\\000a"', 'Cookie: messages="\\077\\377"',
    "Cookie: csrftoken=x; csrftoken=y", "Cookie: ;;==;", "X-CSRFToken: \xff", "Content-Language: \xff", "Expect: x",
    "X-HTTP-Method-Override: DELETE", "Upgrade: websocket", "Connection: Upgrade", "Content-Encoding: gzip", "Te: x",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Request:
    method: str
    address: str
    headers: tuple[str, ...]
    body: bytes

    @property
    def lines(self) -> tuple[str, ...]:
        length = (f"Content-Length: {len(self.body)}",) if self.body or self.method == "POST" else ()
        return (f"{self.method} {self.address} HTTP/1.1", *self.headers, *length)


def templates() -> list[str]:
    """Return the addresses of the URL configuration, with `<...>` for each parameter."""
    views = extract_views_from_urlpatterns(get_resolver().url_patterns)
    found = {simplify_regex(str(regex)) for _, regex, _, _ in views}
    return sorted(address for address in found if not any(word in address for word in ENDS_SESSIONS))


class Fuzzer:
    """Makes requests.

    Parameters:
      keys: Parts of addresses that lead to rows.
    """

    def __init__(self, *, seed: int, keys: list[str]) -> None:
        self.random = random.Random(seed)
        self.keys = keys
        self.templates = templates()
        self.names = sorted({*NAMES, *(field.name for model in apps.get_models() for field in model._meta.fields)})

    def requests(self, count: int) -> Iterator[Request]:
        for number in range(count):
            template = self.templates[number % len(self.templates)]
            yield self._request(template)

    def _request(self, template: str) -> Request:
        choice, chance = self.random.choice, self.random.random
        address = self._address(template)
        if chance() < 0.5:
            address += "?" + self._fields(3)
        headers = tuple({choice(HEADERS) for _ in range(2)}) if chance() < 0.4 else ()
        method, body = choice(METHODS), b""
        if method not in ("GET", "HEAD") or chance() < 0.05:
            kind, body = self._body()
            headers += (f"Content-Type: {kind}",)
        return Request(method=method, address=address, headers=headers, body=body)

    def _address(self, template: str) -> str:
        parts = template.split("<")
        address = parts[0]
        for part in parts[1:]:
            value = self.random.choice(self.keys if self.random.random() < 0.7 else PARTS)
            address += quote(value, safe="") + part.partition(">")[2]
        return address

    def _fields(self, most: int) -> str:
        pairs = [(self.random.choice(self.names), self._value()) for _ in range(self.random.randint(1, most))]
        return urlencode(pairs, errors="surrogatepass" if self.random.random() < 0.3 else "replace")

    def _value(self) -> str:
        return self.random.choice(self.keys) if self.random.random() < 0.3 else self.random.choice(VALUES)

    def _body(self) -> tuple[str, bytes]:
        chance = self.random.random()
        if chance < 0.2:
            return self.random.choice(KINDS), self.random.choice(BODIES)
        if chance < 0.5:
            return "application/x-www-form-urlencoded", self._fields(8).encode()
        if chance < 0.75:
            values: list[object] = [None, True, 1, -1, 1.5, [], {}, [[]], {"a": 1}, 10**30]
            fields = {
                self.random.choice(self.names): self.random.choice(values)
                if self.random.random() < 0.4
                else self._value()
                for _ in range(5)
            }
            return "application/json", json.dumps(fields).encode()
        parts = b""
        for _ in range(self.random.randint(1, 6)):
            filename = b'; filename="a.txt"' if self.random.random() < 0.3 else b""
            name, value = self.random.choice(self.names), self._value()
            parts += b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (
                name.encode(), filename, value.encode(errors="surrogatepass"),
            )  # fmt: skip
        return "multipart/form-data; boundary=x", parts + b"--x--\r\n"
