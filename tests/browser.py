"""A real browser without a window, for tests that look at pages; where there is none, they are left out and say so."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass
class Seen:
    """What a page did that it should not: errors, dialogs, and requests for anything but itself."""

    errors: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def nothing(self) -> bool:
        return not (self.errors or self.dialogs or self.requests)


def executable() -> str | None:
    """Chromium's program; None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


@contextmanager
def opened(page: Path, width: int, scheme: str = "light") -> Iterator[tuple[Any, Seen]]:
    """The page in a browser's tab of this width, and what it does meanwhile."""
    program = executable()
    if program is None:
        pytest.skip(f"THE PAGE WAS NOT LOOKED AT: none of {', '.join(NAMES)} is installed (apt-get install chromium)")
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="THE PAGE WAS NOT LOOKED AT: playwright is not installed"
    )
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            tab = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
            seen = Seen()
            tab.on("console", lambda message: message.type in ("error", "warning") and seen.errors.append(message.text))
            tab.on("pageerror", lambda error: seen.errors.append(str(error)))
            tab.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
            address = page.resolve().as_uri()
            tab.on("request", lambda request: request.url != address and seen.requests.append(request.url))
            tab.goto(address)
            yield tab, seen
        finally:
            browser.close()
