"""Finds the Chromium and the node that the browser tests run on.

python -m tests.support.browser chromium    prints Chromium's path, fails without one
python -m tests.support.browser node        prints the node for playwright, fails without one
"""

import os
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MAC_APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
PLAYWRIGHT_BUILDS = (
    "chromium-*/chrome-linux*/chrome",
    "chromium-*/chrome-mac*/*.app/Contents/MacOS/*",
    "chromium_headless_shell-*/chrome-*/*headless*shell",
)
OLDEST_NODE = 20


def find_chromium() -> str | None:
    """The path of a Chromium that starts, or None.

    `$CHROMIUM` decides where it is set; otherwise a browser on the PATH, or playwright's own.
    """
    return _find_chromium(os.environ.get("CHROMIUM", ""), os.environ.get("PATH", ""))


@lru_cache(maxsize=8)
def _find_chromium(chosen: str, _path: str) -> str | None:
    if chosen:
        path = shutil.which(chosen)
        return path if path and _starts(path) else None
    found = [path for name in NAMES if (path := shutil.which(name))]
    found += [path for path in MAC_APPLICATIONS if os.access(path, os.X_OK)]
    found += _playwright_builds()
    return next((path for path in found if _starts(path)), None)


def _playwright_builds() -> list[str]:
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH")
    folders = [Path(folder)] if folder and folder != "0" else []
    folders += [Path.home() / ".cache/ms-playwright", Path.home() / "Library/Caches/ms-playwright"]
    found: list[str] = []
    for one in folders:
        for pattern in PLAYWRIGHT_BUILDS:
            found += sorted((str(path) for path in one.glob(pattern)), reverse=True)
    return found


def _starts(path: str) -> bool:
    """A stub that only advertises a package (Ubuntu's chromium-browser) does not."""
    return _version(path, "--version", *(("--no-sandbox",) if _is_root() else ())) is not None


def _version(*command: str) -> str | None:
    try:
        answer = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def launch_args() -> dict[str, Any]:
    """Arguments for playwright's `browser_type.launch(**launch_args())`."""
    arguments = [
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-background-networking",
        "--no-first-run",
    ]
    if _is_root():
        arguments.append("--no-sandbox")
    options: dict[str, Any] = {"args": arguments, "headless": True}
    if path := find_chromium():
        options["executable_path"] = path
    return options


@lru_cache(maxsize=1)
def find_node() -> str | None:
    """A node for playwright's driver: the chosen one, its own where it starts, or the system's.

    Its own needs libatomic, which a slim system may lack.
    """
    if chosen := os.environ.get("PLAYWRIGHT_NODEJS_PATH"):
        return chosen if _version(chosen, "--version") else None
    import playwright

    own = Path(playwright.__file__).parent / "driver" / "node"
    if own.exists() and _version(str(own), "--version"):
        return str(own)
    system = shutil.which("node")
    version = _version(system, "--version") if system else None
    if system and version and int(version.lstrip("v").split(".")[0]) >= OLDEST_NODE:
        return system
    return None


def use_working_node() -> None:
    """Point playwright at a node that starts; call it before playwright does (conftest.py)."""
    if node := find_node():
        os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", node)


def main(arguments: list[str]) -> int:
    if arguments == ["chromium"]:
        found = find_chromium()
    elif arguments == ["node"]:
        found = find_node()
    else:
        print("usage: python -m tests.support.browser chromium|node", file=sys.stderr)
        return 2
    if found:
        print(found)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
