"""The docs page in a real browser without the internet: sign up, authorise, create, list."""

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import heard, serving

PASSWORD = "correct horse battery"


def test_a_user_signs_up_authorises_and_works(
    project: Path, browser: Browser, pictures: Path
) -> None:
    with serving(project, "dev") as address:
        page = browser.new_page(viewport={"width": 1280, "height": 1080})
        complaints = heard(page)
        requested: list[str] = []
        page.on("request", lambda request: requested.append(request.url))

        page.goto(f"{address}/docs")
        user = {"email": "reader@example.com", "password": PASSWORD}
        answered(page, "auth", "register", 201, body=user)

        page.get_by_role("button", name="Authorize").first.click()
        dialog = page.locator(".modal-ux")
        dialog.locator("input#oauth_username").fill("reader@example.com")
        dialog.locator("input#oauth_password").fill(PASSWORD)
        dialog.get_by_role("button", name="Apply given OAuth2 credentials").click()
        expect(dialog.get_by_text("Authorized", exact=True)).to_be_visible()
        dialog.get_by_role("button", name="Close", exact=True).last.click()

        made = answered(page, "projects", "create_project", 201, body={"name": "Breakfast"})
        task = {"title": "Buy milk", "project_id": made["id"]}
        answered(page, "tasks", "create_task", 201, body=task)
        answered(page, "tasks", "create_task", 201, body={"title": "Walk", "done": True})
        listed = answered(page, "tasks", "list_tasks", 200, choose={"done": "false"})
        assert [task["title"] for task in listed["items"]] == ["Buy milk"]

        tokens = answered(page, "auth", "log_in", 200, body=user)
        refresh = {"refresh_token": tokens["refresh_token"]}
        refreshed = answered(page, "auth", "refresh", 200, body=refresh)
        assert refreshed["refresh_token"] != tokens["refresh_token"]
        answered(page, "auth", "refresh", 401, body=refresh)  # used up

        # the browser's own line about a status of 400 and more
        assert [text for text in complaints if "status of 401" not in text] == []
        assert {url for url in requested if not url.startswith((address, "data:"))} == set()
        page.evaluate("window.scrollTo(0, 0)")
        page.mouse.move(0, 0)
        picture = pictures / "docs-page.png"
        page.screenshot(path=picture)
        assert picture.stat().st_size > 20_000


def answered(
    page: Page,
    tag: str,
    name: str,
    status: int,
    *,
    body: dict[str, Any] | None = None,
    choose: dict[str, str] | None = None,
) -> Any:
    """Try an operation out, as a reader does; the body of its answer. It is closed afterwards."""
    operation = page.locator(f"[id^='operations-{tag}-{name}']")
    operation.locator(".opblock-summary-control").click()
    try_it_out = operation.locator(".try-out__btn").first
    expect(try_it_out).to_be_visible()
    if try_it_out.inner_text() == "Try it out":  # otherwise it was tried before
        try_it_out.click()
    for parameter, value in (choose or {}).items():
        row = operation.locator(f"tr[data-param-name='{parameter}']")
        row.locator("select").select_option(value)
    if body is not None:
        operation.locator("textarea").first.fill(json.dumps(body))
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table .response").first
    expect(answer.locator(".response-col_status")).to_contain_text(str(status))
    text = answer.locator(".highlight-code code").first.inner_text()
    operation.get_by_role("button", name="Clear").click()
    operation.locator(".opblock-summary-control").click()
    return json.loads(text)
