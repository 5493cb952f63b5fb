"""The name of a browser, by its User-Agent header."""

import re

#: The first that is found counts, since each browser also names those whose pages it wants to get.
BROWSERS = {
    "Edg": "Edge", "OPR": "Opera", "Vivaldi": "Vivaldi", "SamsungBrowser": "Samsung Internet", "Firefox": "Firefox",
    "FxiOS": "Firefox", "CriOS": "Chrome", "HeadlessChrome": "Chrome", "Chromium": "Chromium", "Chrome": "Chrome",
    "Safari": "Safari", "curl": "curl",
}  # fmt: skip
SYSTEMS = {
    "iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "CrOS": "ChromeOS", "Windows": "Windows",
    "Macintosh": "macOS", "Linux": "Linux",
}  # fmt: skip
#: Finds the name of each browser as a whole word.
_WORDS = {mark: re.compile(rf"\b{mark}\b") for mark in BROWSERS}


def name_of(user_agent: str) -> str:
    """Return the browser and its system in words: Firefox on Linux. A guess, since any client may send any name."""
    browser = next((name for mark, name in BROWSERS.items() if _WORDS[mark].search(user_agent)), "")
    system = next((name for mark, name in SYSTEMS.items() if mark in user_agent), "")
    return " on ".join(filter(None, [browser or "A browser", system]))
