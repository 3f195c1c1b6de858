"""Take the pictures of docs/web.md: the page of a made-up station in Chromium.

python scripts/web_pictures.py [--to docs]
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from edgecls_runtime.web.serving import Web
from web_station import TOKEN, Station, drawn_part, page_of, shift, station_of

CHROMIUM = "/usr/bin/chromium"
DESKTOP, PHONE = (1360, 1080), (390, 844)
QUALITY = 68


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("docs"))
    to = parser.parse_args().to
    with (
        tempfile.TemporaryDirectory() as folder,
        station_of(Path(folder)) as station,
        page_of(station) as page,
        sync_playwright() as driver,
    ):
        shift(station, 4000)
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        take(browser, page, station, to)
        browser.close()


def take(browser: Browser, page: Web, station: Station, to: Path) -> None:
    """Open the page in each way and keep what is seen."""
    with opened(browser, page, DESKTOP) as tab:
        station.judge(9001, image=drawn_part(11), looks=True)
        tab.wait_for_selector("#verdict.is-pass")
        keep(tab, to / "web-live.jpg")
        tab.click("nav a[href='#gallery']")
        tab.wait_for_selector(".tile img")
        tab.click(".tile .labels button >> nth=1")
        tab.wait_for_selector(".tile .labels [aria-pressed='true']")
        tab.set_viewport_size({"width": DESKTOP[0], "height": 860})
        keep(tab, to / "web-gallery.jpg")
    with opened(browser, page, DESKTOP, dark=True) as tab:
        station.judge(9002, "fail", image=drawn_part(13, "scratch"), looks=True)
        tab.wait_for_selector("#verdict.is-fail")
        keep(tab, to / "web-live-dark.jpg")
    with opened(browser, page, PHONE) as tab:
        station.judge(9003, "review", image=drawn_part(5, "scratch"), looks=True)
        tab.wait_for_selector("#verdict.is-review")
        keep(tab, to / "web-phone.jpg")


@contextmanager
def opened(
    browser: Browser, page: Web, size: tuple[int, int], *, dark: bool = False
) -> Iterator[Page]:
    """Open the page and sign in."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
    )
    tab = context.new_page()
    tab.goto(f"{page.url}/login", wait_until="commit")
    tab.fill("#token", TOKEN)
    tab.click("#by-token button")
    tab.wait_for_selector("#chart .line")
    yield tab
    context.close()


def keep(tab: Page, path: Path) -> None:
    """Keep what is seen, small enough for a page of documentation."""
    tab.mouse.move(0, 0)
    tab.wait_for_timeout(1500)  # until what comes once a second has come
    image = cv2.imdecode(np.frombuffer(tab.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    cv2.imwrite(str(path), np.asarray(image), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


if __name__ == "__main__":
    main()
