"""The pages in a real Chromium."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from apps.accounts.models import User
from apps.documents.models import Document
from apps.documents.samples import PRIDE_AND_PREJUDICE
from apps.documents.services.document_service import DocumentService
from apps.tasks import ledger
from apps.tasks.models import TaskStatus
from tests import rows
from tests.browser.conftest import LIMIT_BYTES, PASSWORD, Seen
from tests.commands import RunningCommand

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]

#: Records each value of the bar from now on, and marks the page, so that a reload is noticed.
WATCH = """() => {
    window.unbroken = true;
    window.values = [];
    const note = () => {
        const bar = document.querySelector("[data-task] progress");
        const value = bar && `${bar.value} ${document.querySelector("[data-text]").textContent}`;
        if (value && window.values.at(-1) !== value) window.values.push(value);
    };
    note();
    new MutationObserver(note).observe(document.querySelector("main"),
        { attributes: true, characterData: true, childList: true, subtree: true });
}"""
TWO_CHAPTERS = "Chapter 1\n\nIt rained. Nobody came.\n\nChapter 2\n\nThe sun shone, and everybody came at once.\n"


def values(page: Page) -> list[str]:
    assert page.evaluate("window.unbroken"), "the page was loaded again"
    found: list[str] = page.evaluate("window.values")
    return found


@pytest.fixture
def shows_the_figures(request: pytest.FixtureRequest) -> Callable[[Page], None]:
    """`shows_the_figures(page)` starts a worker, and expects the figures on the page without a reload."""

    def watch(page: Page) -> None:
        page.evaluate(WATCH)
        request.getfixturevalue("working")
        expect(page.locator(".figures")).to_be_visible()
        values(page)

    return watch


def test_a_writer_uploads_a_novel_watches_its_progress_and_sees_its_figures(
    address: str, worker: Callable[..., RunningCommand], new_page: Callable[..., Page], jane: User
) -> None:
    page = new_page(base_url=address)
    page.goto("/")
    page.get_by_label("Username").fill("jane")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Name").fill("Novels")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Novels")
    page.wait_for_load_state()

    page.evaluate("window.unbroken = true")
    page.get_by_label("Choose files").set_input_files(PRIDE_AND_PREJUDICE)
    entry = page.get_by_role("link", name="pride-and-prejudice")
    entry.wait_for()
    assert page.evaluate("window.unbroken")
    entry.click()
    page.get_by_role("button", name="Process").click()
    expect(page.get_by_role("progressbar", name="Processing")).to_have_attribute("value", "0")
    expect(page.locator("[data-text]")).to_contain_text("Waiting: no tasks are being worked on")

    page.evaluate(WATCH)
    worker()

    expect(page.get_by_role("term").filter(has_text="Chapters")).to_be_visible()
    assert len(values(page)) >= 2
    assert values(page)[0].startswith("0 Waiting")
    expect(page.locator(".figures")).to_contain_text("Words121,")
    expect(page.get_by_role("img", name="Length of the chapters").locator(".mark")).to_have_count(61)
    assert page.get_by_role("progressbar").count() == 0

    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{address}/sign-in/")
    page.goto("/documents/1/")
    expect(page).to_have_url(f"{address}/sign-in/?next=/documents/1/")


def test_each_refused_file_of_several_has_a_reason(signed_in: Callable[..., Page], seen: Seen) -> None:
    seen.expected = ["status of 400"]
    project = rows.project(owner="jane")
    page = signed_in(f"/projects/{project.pk}/")
    page.evaluate("window.unbroken = true")

    files: list[FilePayload] = [
        {"name": "blank.txt", "mimeType": "text/plain", "buffer": b""},
        {"name": "Emma.txt", "mimeType": "text/plain", "buffer": b"Emma Woodhouse, handsome, clever, and rich."},
        {"name": "fake.pdf", "mimeType": "application/pdf", "buffer": b"This is no PDF, whatever its name says."},
    ]
    page.get_by_label("Choose files").set_input_files(files)

    refused = page.locator(".uploads .refused")
    expect(refused).to_have_count(2)
    expect(refused.filter(has_text="blank.txt")).to_contain_text("empty")
    expect(refused.filter(has_text="fake.pdf").locator(".error")).to_contain_text("PDF")
    expect(page.get_by_role("link", name="Emma")).to_be_visible()
    assert Document.objects.get().title == "Emma"

    refused.first.get_by_role("button", name="Dismiss").click()
    expect(refused).to_have_count(1)
    assert page.evaluate("window.unbroken")


def test_files_can_be_dropped_anywhere_on_the_page(signed_in: Callable[..., Page]) -> None:
    project = rows.project(owner="jane")
    page = signed_in(f"/projects/{project.pk}/")

    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["One of a kind."], "First.txt"));
            data.items.add(new File(["Another."], "Second.txt"));
            for (const type of ["dragenter", "dragover", "drop"]) {
                document.querySelector("h1").dispatchEvent(
                    new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: data }));
            }
        }"""
    )

    expect(page.get_by_role("link", name="First")).to_be_visible()
    expect(page.get_by_role("link", name="Second")).to_be_visible()
    assert Document.objects.count() == 2


def test_a_file_that_is_too_large_is_not_even_sent(signed_in: Callable[..., Page]) -> None:
    project = rows.project(owner="jane")
    page = signed_in(f"/projects/{project.pk}/")
    sent = []
    page.on("request", lambda request: sent.append(request.url))

    page.get_by_label("Choose files").set_input_files(
        {"name": "long.txt", "mimeType": "text/plain", "buffer": b"x" * (LIMIT_BYTES + 1024**2)}
    )

    expect(page.locator(".uploads .refused")).to_contain_text("The file has 3.0 MB, and at most 2.0 MB can be taken.")
    assert not [url for url in sent if "/api/" in url]


def test_without_a_stream_the_page_polls(
    signed_in: Callable[..., Page], seen: Seen, shows_the_figures: Callable[[Page], None]
) -> None:
    seen.expected = ["status of 502"]
    document = DocumentService.create(project=rows.project(owner="jane"), title="Rain", text=TWO_CHAPTERS)
    DocumentService.start_processing(document, owner_id=document.project.owner_id)
    page = signed_in("about:blank")
    page.route("**/events/", lambda route: route.fulfill(status=502))
    page.goto(f"/documents/{document.pk}/")

    shows_the_figures(page)


def test_files_that_come_too_fast_wait_until_the_server_takes_them(signed_in: Callable[..., Page], seen: Seen) -> None:
    seen.expected = ["status of 429"]
    project = rows.project(owner="jane")
    page = signed_in(f"/projects/{project.pk}/")
    answers: list[Route] = []

    def refuse_twice(route: Route) -> None:
        answers.append(route)
        if len(answers) > 2:
            route.continue_()
        else:
            sentence = {"detail": "You have added 300 documents within a minute."}
            route.fulfill(status=429, headers={"Retry-After": "1"}, json=sentence)

    page.route("**/api/documents/", refuse_twice)
    files: list[FilePayload] = [
        {"name": f"{name}.txt", "mimeType": "text/plain", "buffer": b"It rained."} for name in ("rain", "snow", "sun")
    ]
    page.locator("input[type=file]").set_input_files(files)

    expect(page.get_by_text("You have added 300 documents within a minute. It is sent then.").first).to_be_visible()
    for name in ("rain", "snow", "sun"):
        expect(page.get_by_role("link", name=name)).to_be_visible()
    assert len(answers) == 5


def test_a_broken_stream_is_resumed(signed_in: Callable[..., Page], shows_the_figures: Callable[[Page], None]) -> None:
    document = DocumentService.create(project=rows.project(owner="jane"), title="Rain", text=TWO_CHAPTERS)
    task_id = DocumentService.start_processing(document, owner_id=document.project.owner_id)
    state = {"task_id": task_id, "status": "processing", "progress": 12, "progress_text": "Page 3 of 25"}
    asked: list[Route] = []
    is_shown = False

    def break_off_once(route: Route) -> None:
        asked.append(route)
        if len(asked) == 1:
            body = f"retry: 50\nid: 7\nevent: progress\ndata: {json.dumps(state)}\n\n"
            route.fulfill(content_type="text/event-stream", body=body)
        elif is_shown:
            route.continue_()
        # Else it waits: its answer would say that the task has not begun, before the page shows the first answer.

    page = signed_in("about:blank")
    page.route("**/events/", break_off_once)
    page.goto(f"/documents/{document.pk}/")
    expect(page.get_by_text("Page 3 of 25", exact=True)).to_be_visible()
    is_shown = True
    for route in asked[1:]:
        route.continue_()

    shows_the_figures(page)

    assert len(asked) >= 2


def test_a_writer_who_was_signed_out_meanwhile_sees_it(signed_in: Callable[..., Page], seen: Seen) -> None:
    seen.expected = ["status of 502"]
    document = DocumentService.create(project=rows.project(owner="jane"), title="Rain", text=TWO_CHAPTERS)
    DocumentService.start_processing(document, owner_id=document.project.owner_id)
    page = signed_in("about:blank")
    page.route("**/events/", lambda route: route.fulfill(status=502))
    page.goto(f"/documents/{document.pk}/")

    page.context.clear_cookies()

    expect(page.get_by_text("or you are no longer signed in. Reload it.")).to_be_visible()


def test_a_cancelled_task_says_so_and_can_be_started_again(signed_in: Callable[..., Page]) -> None:
    document = DocumentService.create(project=rows.project(owner="jane"), title="Rain", text=TWO_CHAPTERS)
    task_id = DocumentService.start_processing(document, owner_id=document.project.owner_id)
    page = signed_in(f"/documents/{document.pk}/")
    page.evaluate(WATCH)
    expect(page.get_by_role("progressbar")).to_be_visible()

    ledger.cancel(task_id)

    expect(page.get_by_text("Processing was stopped before it was done.")).to_be_visible()
    values(page)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("[data-text]")).to_contain_text("Waiting: no tasks are being worked on")
    assert TaskStatus.objects.unfinished().exclude(task_id=task_id).exists()


def test_a_writer_cancels_a_task_with_the_keyboard(signed_in: Callable[..., Page]) -> None:
    document = DocumentService.create(project=rows.project(owner="jane"), title="Rain", text=TWO_CHAPTERS)
    DocumentService.start_processing(document, owner_id=document.project.owner_id)
    page = signed_in(f"/projects/{document.project.pk}/")
    page.get_by_role("button", name="Cancel: Rain").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Try again: Rain")).to_be_visible()
    assert page.url.endswith(f"/projects/{document.project.pk}/")
    assert TaskStatus.objects.get().status == "cancelled"


def test_more_documents_than_streams_reach_their_ends(
    signed_in: Callable[..., Page], request: pytest.FixtureRequest
) -> None:
    project = rows.project(owner="jane")
    for number in range(4):
        DocumentService.create(project=project, title=f"Part {number}", text=TWO_CHAPTERS)
    page = signed_in(f"/projects/{project.pk}/")
    page.get_by_role("button", name="Process the 4 new documents").click()
    expect(page.get_by_role("progressbar")).to_have_count(1)  # Of the task that starts the others.
    page.evaluate(WATCH)
    page.get_by_role("link", name="Part 1").focus()

    request.getfixturevalue("working")

    expect(page.locator(".entry .figure")).to_have_text(["16 words"] * 4)
    expect(page.get_by_role("link", name="Part 1")).to_be_focused()
    values(page)


def test_a_page_with_a_refused_form_still_refreshes(
    signed_in: Callable[..., Page], seen: Seen, shows_the_figures: Callable[[Page], None]
) -> None:
    seen.expected = ["status of 400"]
    document = DocumentService.create(project=rows.project(owner="jane"), title="Rain", text=TWO_CHAPTERS)
    DocumentService.start_processing(document, owner_id=document.project.owner_id)
    page = signed_in(f"/documents/{document.pk}/")
    page.get_by_text("Rename", exact=True).click()
    page.get_by_label("Title").fill("  ")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("This field is required.")).to_be_visible()
    page.wait_for_load_state()

    shows_the_figures(page)


def test_a_report_is_made_under_the_writers_eyes_and_can_be_opened(
    signed_in: Callable[..., Page], request: pytest.FixtureRequest
) -> None:
    document = DocumentService.create(project=rows.project(owner="jane"), title="Rain", text=TWO_CHAPTERS)
    DocumentService.process_document(document)
    page = signed_in(f"/projects/{document.project_id}/")
    page.get_by_role("button", name="Make a report").click()
    expect(page.get_by_role("progressbar", name="Report")).to_be_visible()
    page.evaluate(WATCH)

    request.getfixturevalue("working")

    to_read = page.get_by_role("link", name="Read it here")
    expect(to_read).to_be_visible()
    values(page)
    pdf = page.request.get(f"/projects/{document.project_id}/report.pdf")
    assert pdf.body().startswith(b"%PDF-")
    to_read.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("cell", name="Rain", exact=True)).to_be_visible()


def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus. The element must show the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            shown = page.evaluate(
                """() => [document.activeElement, document.activeElement.closest(".drop")].filter(Boolean)
                    .some(element => getComputedStyle(element).outlineStyle !== "none")"""
            )
            assert shown, f"{selector} does not show that it has the focus"
            return
    raise AssertionError(f"Tab does not lead to {selector}")


def test_all_can_be_done_with_the_keyboard_alone(
    new_page: Callable[..., Page], jane: User, address: str, request: pytest.FixtureRequest
) -> None:
    page = new_page(base_url=address)
    page.goto("/")
    page.keyboard.type("jane")  # The first field has the focus.
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    tab_to(page, "#new_name")
    page.keyboard.type("Rain and sun")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Rain and sun")

    tab_to(page, "#upload_chosen")
    tab_to(page, "#paste_title")
    page.keyboard.type("Weather")
    tab_to(page, "#paste_text")
    page.keyboard.insert_text(TWO_CHAPTERS)
    tab_to(page, "button")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Weather")
    tab_to(page, "#process")
    page.keyboard.press("Enter")
    expect(page.get_by_role("progressbar")).to_be_visible()
    request.getfixturevalue("working")
    expect(page.locator(".figures")).to_be_visible()

    tab_to(page, ".drawing")
    page.keyboard.press("End")
    expect(page.locator(".readout").first).to_have_text("Chapter 2: 10 words")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".readout").first).to_have_text("Chapter 1: 6 words")


@pytest.fixture
def many_pages(jane: User) -> list[str]:
    """The paths of pages of every kind, with long names and all states."""
    project = rows.project("Unaussprechlichkeitsgrundsätze" * 3, owner="jane")
    long: dict[str, Any] = {"title": "Donaudampfschifffahrtsgesellschaft" * 4, "project": project}
    rows.document(**long)
    failed = rows.document(**long, status=Document.Status.FAILED, error_message="x" * 300)
    moving = rows.document(**long, status=Document.Status.PROCESSING)
    rows.task(about=moving, progress=40, progress_text="y" * 200, owner=jane)
    chapters = (f"Chapter {number}\n\n" + "“Come along,” said the captain. " * number for number in range(2, 40))
    novel = DocumentService.create(project=project, title="Novel", text="\n\n".join(chapters))
    DocumentService.process_document(novel)
    documents = [f"/documents/{document.pk}/" for document in (failed, moving, novel)]
    own = [f"/projects/{project.pk}/{page}" for page in ("", "order/", "delete/")]
    return ["/", *own, *documents, f"{documents[0]}delete/"]


def test_nothing_is_wider_than_a_small_telephone(many_pages: list[str], signed_in: Callable[..., Page]) -> None:
    page = signed_in(viewport={"width": 360, "height": 640}, is_mobile=True, has_touch=True)
    for path in many_pages:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, path


def test_letters_stand_out_from_their_ground_in_light_and_in_dark(
    many_pages: list[str], signed_in: Callable[..., Page]
) -> None:
    for scheme in ("light", "dark"):
        page = signed_in(color_scheme=scheme)
        for path in many_pages:
            page.goto(path)
            found = page.evaluate(CONTRASTS)
            assert found, path
            assert {name: ratio for name, ratio in found.items() if ratio < 4.5} == {}, (scheme, path)


#: Contrast of each colour of letters with its background, after WCAG 2.
CONTRASTS = """() => {
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => {
        const linear = (part) => part <= 10 ? part / 255 / 12.92 : ((part / 255 + .055) / 1.055) ** 2.4;
        const [r, g, b] = parts(colour).slice(0, 3).map(linear);
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (parts(colour)[3] !== 0) return colour;
        }
    };
    const found = {};
    for (const element of document.querySelectorAll("main *")) {
        const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
        if (!own || element.closest("svg, [hidden]")) continue;
        const [front, back] = [getComputedStyle(element).color, ground(element)];
        const [low, high] = [light(front), light(back)].sort((a, b) => a - b);
        const name = `${front} on ${back}`;
        found[name] = (high + .05) / (low + .05);
    }
    return found;
}"""
