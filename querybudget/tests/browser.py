"""Debian's Chromium without a window, for tests of pages: widths, colours, console, accessibility, screenshots."""

import os
import shutil
from base64 import b64decode
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SHOTS = Path(os.environ.get("SCREENSHOTS", REPOSITORY / ".screenshots"))
"""Where pictures stay; git ignores it."""

AXE = Path(os.environ.get("AXE_CORE", REPOSITORY / ".axe" / "node_modules" / "axe-core" / "axe.min.js"))
"""`make axe` brings it."""

WIDTHS = (390, 1280)
COLOURS = ("light", "dark")


class Browser:
    """A tab. What its console says is kept from one page to the next."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, url, *, width=1280, colours="light"):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        media = [{"name": "prefers-color-scheme", "value": colours}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        self.driver.get(url)

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector):
        return self.driver.find_element("css selector", selector)

    def texts(self, selector):
        return [element.text for element in self.all(selector)]

    def run(self, script):
        return self.driver.execute_script(script)

    @property
    def console(self):
        """Errors and warnings since the last time; Chromium asks for an icon that nobody promised."""
        entries = self.driver.get_log("browser")
        return [entry["message"] for entry in entries if "favicon.ico" not in entry["message"]]

    @property
    def is_wider_than_the_window(self):
        return self.run("return document.documentElement.scrollWidth > window.innerWidth")

    def violations(self):
        """What axe finds wrong with the page: rule and elements."""
        self.run(_axe())
        found = self.driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]]

    def shoot(self, name):
        """A picture of the whole page."""
        SHOTS.mkdir(exist_ok=True)
        height = self.run("return document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": self.run("return window.innerWidth"), "height": min(height, 6000), "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        (SHOTS / f"{name}.png").write_bytes(b64decode(shot["data"]))


@cache
def _axe():
    if not AXE.exists():
        pytest.skip(f"no axe-core at {AXE}: make axe")
    return AXE.read_text("utf-8")


def started():
    """A `Browser`; skips the test where there is no Chromium to drive."""
    selenium = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium and chromedriver: apt-get install chromium chromium-driver")
    options = selenium.ChromeOptions()
    options.binary_location = chromium
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "hide-scrollbars"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return Browser(selenium.Chrome(options=options, service=selenium.ChromeService(driver)))
