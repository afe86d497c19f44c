"""What a newcomer does: `apiwright new shop --with knowledge,agents`, `apiwright dev`, and in a
real browser sign up, drop a PDF, ask. Without a key there are cited passages; with a model an
answer that makes a task, once that is approved. Another user finds nothing of it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from apiwright.kit import embedded
from tests.e2e.conftest import APIWRIGHT, environment, heard, serving
from tests.kit.documents import pdf
from tests.openai_server import Step, openai_server


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    parent = tmp_path_factory.mktemp("chat")
    command = [*APIWRIGHT, "new", "shop", "--with", "knowledge,agents"]
    subprocess.run(command, cwd=parent, env=environment(), check=True, capture_output=True)
    yield parent / "shop"
    embedded.remove(parent / "shop" / ".data" / "postgres")


def test_a_newcomer_gets_cited_passages_without_any_key(
    shop: Path, browser: Browser, tmp_path: Path, pictures: Path
) -> None:
    file = tmp_path / "trains.pdf"
    file.write_bytes(pdf("The night train to Lisbon leaves at nine.", "Breakfast is at seven."))
    with serving(shop, "dev") as address:
        page = opened(browser, address, "ada@example.com")
        complaints = heard(page)
        page.set_input_files("#files", file)
        expect(page.locator("#documents small")).to_have_text("indexed", timeout=30_000)
        asked(page, "When does the train to Lisbon leave?")
        expect(page.locator("article ol li")).to_contain_text("night train to Lisbon")
        expect(page.locator("article").last).to_contain_text("set OPENAI_API_KEY")
        assert [one for one in complaints if "status of 503" not in one] == []
        picture = pictures / "chat-passages.png"
        page.screenshot(path=picture)
        assert picture.stat().st_size > 10_000

        stranger = opened(browser, address, "bob@example.com")
        expect(stranger.locator("#documents li")).to_have_count(0)
        asked(stranger, "When does the train to Lisbon leave?")
        expect(stranger.locator("article").last).to_contain_text("Nothing was found.")


def test_with_a_model_the_answer_makes_a_task_once_that_is_approved(
    shop: Path, browser: Browser, pictures: Path
) -> None:
    with openai_server() as openai, serving(shop, "dev", OPENAI_BASE_URL=openai.url) as address:
        page = opened(browser, address, "ada@example.com", action="login")
        expect(page.locator("#documents small")).to_have_text("indexed")
        openai.steps = [
            Step(calls=(("search_documents", {"question": "train to Lisbon"}),)),
            Step("It leaves at nine [1]. Shall I note it?"),
            Step(calls=(("create_task", {"data": {"title": "Take the train"}}),)),
            Step("It is on your list."),
        ]
        asked(page, "When does the train to Lisbon leave?")
        expect(page.locator("article").last).to_contain_text("It leaves at nine [1].")
        expect(page.locator("article").last.locator("ol li")).to_contain_text("trains.pdf")
        asked(page, "Yes, please.")
        page.get_by_role("button", name="Do it").click()
        expect(page.locator("article").last).to_contain_text("It is on your list.")
        picture = pictures / "chat-page.png"
        page.screenshot(path=picture)
        assert picture.stat().st_size > 10_000
        assert tasks(page) == ["Take the train"]
        stranger = opened(browser, address, "bob@example.com", action="login")
        assert tasks(stranger) == []


def opened(browser: Browser, address: str, email: str, action: str = "register") -> Page:
    """The page, with somebody signed in."""
    page = browser.new_page(viewport={"width": 1100, "height": 700})
    page.goto(f"{address}/chat/")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill("correct horse battery")
    name = "Sign up" if action == "register" else "Sign in"
    page.get_by_role("button", name=name).click()
    expect(page.locator("#ask")).to_be_visible()
    expect(page.locator("#sign-in")).to_be_hidden()
    return page


def asked(page: Page, question: str) -> None:
    page.get_by_placeholder("Ask").fill(question)
    page.get_by_role("button", name="Send").click()


def tasks(page: Page) -> list[str]:
    titles: list[str] = page.evaluate(
        "async () => (await (await call('GET', '/tasks')).json()).items.map((task) => task.title)"
    )
    return titles
