"""The docs page in a real browser without the internet: authorise, create a task."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.conftest import serving

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=program,
            args=[
                "--no-sandbox",  # as root
                "--disable-background-networking",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # no internet
            ],
        )


def test_a_user_authorises_and_creates_a_task(
    project: Path, browser: Browser, pictures: Path
) -> None:
    with serving(project, "dev") as address:
        user = {"email": "reader@example.com", "password": PASSWORD}
        httpx2.post(f"{address}/api/v1/auth/register", json=user)
        page = browser.new_page(viewport={"width": 1280, "height": 1080})
        complaints = heard(page)
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))

        page.goto(f"{address}/docs")
        page.get_by_role("button", name="Authorize").first.click()
        dialog = page.locator(".modal-ux")
        dialog.locator("input#oauth_username").fill("reader@example.com")
        dialog.locator("input#oauth_password").fill(PASSWORD)
        dialog.get_by_role("button", name="Apply given OAuth2 credentials").click()
        expect(dialog.get_by_text("Authorized", exact=True)).to_be_visible()
        dialog.get_by_role("button", name="Close", exact=True).last.click()

        operation = page.locator("#operations-tasks-create_task_api_v1_tasks_post")
        operation.locator(".opblock-summary-control").click()
        operation.get_by_role("button", name="Try it out").click()
        operation.locator("textarea").first.fill('{"title": "Buy milk"}')
        operation.get_by_role("button", name="Execute").click()
        answer = operation.locator(".live-responses-table .response").first
        expect(answer.locator(".response-col_status")).to_contain_text("201")
        expect(answer).to_contain_text('"title": "Buy milk"')

        assert complaints == []
        assert {url for url in requested if not url.startswith((address, "data:"))} == set()
        operation.locator(".opblock-summary-control").click()
        page.mouse.move(0, 0)
        picture = pictures / "docs-page.png"
        page.screenshot(path=picture)
        assert picture.stat().st_size > 20_000


def heard(page: Page) -> list[str]:
    """What the page complains about: its policy, a script that failed, a file not found."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    return complaints
