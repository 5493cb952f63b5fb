"""The account page and two-step sign-in in a real Chromium."""

from collections.abc import Callable

import pytest
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice
from playwright.sync_api import Page, expect

from apps.accounts.models import User
from apps.projects.models import Project
from tests.browser.conftest import PASSWORD

pytestmark = [pytest.mark.once, pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def test_a_user_sets_two_step_sign_in_up_by_keyboard_and_signs_in_with_a_recovery_code(
    signed_in: Callable[..., Page], new_page: Callable[..., Page], address: str, jane: User
) -> None:
    page = signed_in("/account/")
    page.get_by_role("link", name="Set up").press("Enter")
    expect(page.get_by_role("img", name="QR code of the key below")).to_be_visible()
    device = TOTPDevice.objects.get(user=jane)
    page.get_by_label("Code of the app").fill(f"{TOTP(device.bin_key).token():06d}")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")
    code = page.locator(".codes code").first.inner_text()

    other = new_page(base_url=address)
    other.goto("/account/")
    other.get_by_label("Username").fill("jane")
    other.get_by_label("Password").fill(PASSWORD)
    other.keyboard.press("Enter")
    expect(other.get_by_label("Code")).to_be_focused()
    other.keyboard.type(code)
    other.keyboard.press("Enter")
    expect(other).to_have_url(f"{address}/account/")
    expect(other.get_by_text("On: a code of your app is asked for")).to_be_visible()


def test_a_long_name_hides_no_column_of_the_lists_of_staff(signed_in: Callable[..., Page], jane: User) -> None:
    User.objects.filter(pk=jane.pk).update(
        username="W" * 150, email=f"{'w' * 60}@{'w' * 60}.example", is_staff=True, is_superuser=True
    )
    Project.objects.create(owner=jane, name="W" * 200)
    page = signed_in("/admin/accounts/user/")
    for path in ("/admin/accounts/user/", "/admin/projects/project/"):
        page.goto(path)
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 800})
            hidden = page.locator("#result_list").evaluate(
                "table => table.scrollWidth - table.parentElement.clientWidth"
            )
            assert hidden <= 0, (path, width)
            cell = page.locator("#result_list tbody th").first
            assert cell.evaluate("cell => cell.scrollWidth - cell.clientWidth") <= 0, (path, width)
