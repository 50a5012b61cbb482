"""Debian's Chromium without a window, for tests of pages: widths, colours, console, accessibility, pictures."""

import os
import shutil
from base64 import b64decode
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PICTURES = REPOSITORY / ".screenshots"
"""Git ignores it."""

AXE = Path(os.environ.get("AXE_CORE", REPOSITORY / ".axe" / "node_modules" / "axe-core" / "axe.min.js"))
"""`make axe` brings it."""

LOOKS = [(width, colours) for width in (390, 1280) for colours in ("light", "dark")]
"""Each width and colour scheme in which a page is looked at."""


class Browser:
    """A tab."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, url, *, width=1280, colours="light"):
        self.look(width, colours)
        self.driver.get(url)

    def look(self, width, colours):
        """Give the tab a width, and its user a taste."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = [{"name": "prefers-color-scheme", "value": colours}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector):
        return self.driver.find_element("css selector", selector)

    def texts(self, selector):
        return [element.text for element in self.all(selector)]

    def press(self, *keys):
        """Keys for whatever has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    @property
    def focused(self):
        return self.driver.switch_to.active_element

    def run(self, script):
        return self.driver.execute_script(script)

    def assert_sound(self, picture):
        """No word on the console, nothing wider than the window, nothing that axe finds; a picture is kept."""
        self.shoot(picture)
        assert self.console() == []
        assert not self.run("return document.documentElement.scrollWidth > window.innerWidth")
        assert self.barriers() == []

    def console(self):
        """What it said since the last time; Chromium asks every server for an icon that nobody promised."""
        return [entry["message"] for entry in self.driver.get_log("browser") if "/favicon.ico" not in entry["message"]]

    def barriers(self):
        """The rules of axe that the page breaks, each with the elements."""
        self.run(_axe())
        found = self.driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]

    def shoot(self, name):
        """A picture of the whole page, of 6,000 pixels at most."""
        PICTURES.mkdir(exist_ok=True)
        width, height = self.run("return [window.innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, 6000), "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        (PICTURES / f"{name}.png").write_bytes(b64decode(shot["data"]))


@cache
def _axe():
    if not AXE.exists():
        pytest.skip(f"no axe-core at {AXE}: run make axe, or set AXE_CORE")
    return AXE.read_text("utf-8")


@contextmanager
def chromium(*, javascript=True):
    """A `Browser`; skips the test where there is no Chromium to drive."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("no Chromium to drive: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    if not javascript:
        options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield Browser(started)
    finally:
        started.quit()
