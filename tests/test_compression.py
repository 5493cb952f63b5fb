"""Weight of the admin: the bytes before its first text, scripts that wait, and compression."""

import gzip
import re
from hashlib import sha256
from pathlib import Path

import pytest
import unfold
from django.test import Client
from django.utils.safestring import mark_safe

from aiWriting.compression import compressed
from aiWriting.templatetags.late import late
from apps.accounts.models import User
from tests import rows

GZIP = {"Accept-Encoding": "gzip"}
#: Bytes of a line of 50 KB/s in 3 s, less a third for the server and the way.
MOST_BYTES = 100_000
#: Pages whose first text is measured.
PAGES = ["/admin/", "/admin/tasks/taskstatus/", "/admin/tasks/schedule/", "/admin/tasks/workerprocess/"]


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("jane"))
    return client


def content(client: Client, path: str) -> tuple[bytes, int]:
    """Return the content of an address, and the bytes of it on the line."""
    answer = client.get(path, headers=GZIP)
    assert answer.status_code == 200, path
    sent = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
    return (gzip.decompress(sent) if answer.headers.get("Content-Encoding") == "gzip" else sent), len(sent)


@pytest.mark.django_db
@pytest.mark.parametrize("path", PAGES)
def test_the_first_text_of_an_admin_page_needs_few_bytes(operator: Client, path: str) -> None:
    for _ in range(100):
        rows.task(error_message="It broke. " * 20)
    page, sent = content(operator, path)
    html = page.decode()
    styles = re.findall(r'<link [^>]*href="(/static/[^"]+\.css)"', html)
    scripts = re.findall(r'<script(?![^>]*\btype="text/plain")[^>]*\ssrc="([^"]+)"', html)
    assert len(styles) >= 4
    total = sent + sum(content(operator, address)[1] for address in [*styles, *scripts])
    assert total < MOST_BYTES


@pytest.mark.django_db
def test_no_script_but_that_of_the_theme_holds_up_an_admin_page(operator: Client) -> None:
    html = content(operator, "/admin/tasks/taskstatus/")[0].decode()
    blocking = re.findall(r'<script src="([^"]+)">', html)
    assert blocking == ["/static/aiwriting/theme.js"]
    assert "alpine.js" in html
    assert "x-cloak" not in html.partition("<head>")[0]


@pytest.mark.parametrize(
    ("script", "is_late"),
    [
        ('<script src="a.js"></script>', True),
        ('<script id="x" src="a.js" data-model-name="y"></script>', True),
        ('<script src="a.js" defer></script>', False),
        ('<script src="a.js" async></script>', False),
        ('<script type="module" src="a.js"></script>', False),
        ('<script id="x" type="application/json">"src=1"</script>', False),
        ("&lt;script src=a.js&gt;", False),
    ],
)
def test_scripts_that_would_hold_up_a_page_are_loaded_late(script: str, is_late: bool) -> None:
    assert late(mark_safe(script)) == (
        script.replace("<script", '<script type="text/plain" data-late') if is_late else script
    )


def test_the_layout_of_the_theme_is_the_one_that_ours_was_made_from() -> None:
    theirs = Path(unfold.__file__).parent / "templates" / "unfold" / "layouts" / "skeleton.html"
    made_from = "66af9f0bb45f98ba"
    assert sha256(theirs.read_bytes()).hexdigest()[:16] == made_from, "mend aiWriting/templates/unfold, then this hash"


@pytest.mark.django_db
def test_pages_are_compressed_for_browsers_that_can_read_it(client: Client) -> None:
    plain, packed = client.get("/sign-in/"), client.get("/sign-in/", headers=GZIP)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert b"</html>" in gzip.decompress(packed.content)


@pytest.mark.parametrize("path", ["unfold/css/styles.css", "aiwriting/late.js", "tasks/icon.svg"])
def test_static_files_are_compressed_where_nothing_was_collected(client: Client, path: str) -> None:
    path = f"/static/{path}"
    plain = b"".join(client.get(path).streaming_content)  # type: ignore[attr-defined]
    found = client.get(path, headers=GZIP)
    assert found.headers["Content-Encoding"] == "gzip"
    assert found.headers["Content-Length"] == str(len(found.content))
    assert gzip.decompress(found.content) == plain
    assert client.head(path, headers=GZIP).status_code == 200


def test_fonts_are_sent_as_they_are(client: Client) -> None:
    path = "/static/unfold/fonts/material-symbols/Material-Symbols-Outlined.woff2"
    found = client.get(path, headers=GZIP)
    assert b"".join(found.streaming_content).startswith(b"wOF2")  # type: ignore[attr-defined]
    assert "Content-Encoding" not in found.headers


def test_a_changed_file_is_compressed_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.css"
    path.write_bytes(b"a")
    assert gzip.decompress(compressed(path, 1)) == b"a"
    path.write_bytes(b"b")
    assert gzip.decompress(compressed(path, 2)) == b"b"
