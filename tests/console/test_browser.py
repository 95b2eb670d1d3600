"""The console in a real browser: maker drafts, checker approves, the page follows to "Final in block N"."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions as expect
from selenium.webdriver.support.wait import WebDriverWait

from tests.console.conftest import LOTUS, Consoles
from tests.trade.samples import MT700_FIELDS, mt
from tests.trade.town import PASSWORD

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
WAIT_S = 30
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1366,900",
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium with chromedriver on this machine"),
]


def open_browser(profile: Path, *, scripts: bool = True) -> webdriver.Chrome:
    """A headless browser with an empty profile; the driver is the machine's, nothing is downloaded."""
    options = Options()
    options.binary_location = CHROMIUM or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    if not scripts:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(executable_path=DRIVER))


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def chrome(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[webdriver.Chrome]:
    """The browser, with and without JavaScript."""
    driver = open_browser(tmp_path / "profile", scripts=request.param)
    yield driver
    driver.quit()


class Officer:
    """Hands on the browser."""

    def __init__(self, driver: webdriver.Chrome, base: str) -> None:
        self.driver = driver
        self.base = base
        self.wait = WebDriverWait(driver, WAIT_S)

    def sign_in(self, name: str) -> None:
        """Type name and password."""
        self.driver.get(f"{self.base}/sign-in")
        self.driver.find_element(By.ID, "name").send_keys(name)
        self.driver.find_element(By.ID, "password").send_keys(PASSWORD)
        self.press("Sign in")
        self.wait.until(expect.title_contains("Worklist"))

    def press(self, label: str) -> None:
        """Press a button by its words."""
        self.driver.find_element(By.XPATH, f"//main//button[normalize-space()='{label}']").click()

    def sign_out(self) -> None:
        """Press the button in the header."""
        self.driver.find_element(By.CSS_SELECTOR, "form.who button").click()
        self.wait.until(expect.title_contains("Sign in"))

    def text(self) -> str:
        """The words on the page."""
        return self.driver.find_element(By.TAG_NAME, "main").text


def _story(driver: webdriver.Chrome, base: str, file: Path) -> str:
    officer = Officer(driver, base)
    officer.sign_in("may")
    driver.find_element(By.LINK_TEXT, "Issue a credit").click()
    officer.wait.until(expect.title_contains("Issue a credit"))
    driver.find_element(By.ID, "f-mt700").send_keys(str(file))
    officer.press("Read and show")
    officer.wait.until(expect.presence_of_element_located((By.ID, "reading")))
    assert "No obstacle" in officer.text()
    officer.press("Draft for approval")
    officer.wait.until(expect.url_contains("/drafts/d-"))
    draft = driver.current_url
    assert "Another officer must approve" in officer.text()
    officer.sign_out()
    officer.sign_in("chi")
    driver.find_element(By.LINK_TEXT, draft.rsplit("/", 1)[1]).click()
    officer.wait.until(expect.presence_of_element_located((By.ID, "approve")))
    driver.find_element(By.ID, "approve").click()
    officer.wait.until(expect.text_to_be_present_in_element((By.ID, "status-title"), "Final in block"))
    driver.find_element(By.XPATH, "//section[@id='follow']//a[contains(@href,'/credits/')]").click()
    officer.wait.until(expect.title_contains("Credit IMP-2026-0017"))
    return officer.text()


async def test_from_sign_in_to_final_in_a_browser(consoles: Consoles, chrome: webdriver.Chrome, tmp_path: Path) -> None:
    """Sign in, read and draft, sign out; another signs in, approves, and sees the block; no page breaks its policy."""
    message = tmp_path / "credit.fin"
    message.write_bytes(mt("700", MT700_FIELDS).encode())
    base = str(consoles.servers[LOTUS].make_url("")).rstrip("/")
    shown = await asyncio.to_thread(_story, chrome, base, message)
    assert "Nanshan Bank to advise" in shown
    log: list[dict[str, Any]] = await asyncio.to_thread(chrome.get_log, "browser")
    assert [entry for entry in log if entry["level"] == "SEVERE"] == []
