"""What Lighthouse says: `python -m tests.browser.lighthouse [FOLDER] [--only WORD]`.

A phone on slow 4G, as Lighthouse imagines it, on a demo of its own. Whole reports (HTML, JSON) go
to FOLDER; printed are the scores and every audit that costs points.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.browser import find_node, launch_args, use_working_node

use_working_node()

from playwright.sync_api import BrowserContext, sync_playwright  # noqa: E402 - node is chosen first

from tests.browser.screen import LOTTE  # noqa: E402
from tests.browser.server import DemoServer  # noqa: E402
from tests.browser.steps import (  # noqa: E402
    WORKS,
    add_licences,
    pay_with_new_card,
    save_payment_step,
    sign_in_as,
)

ROOT = Path(__file__).resolve().parents[2]
COMMAND = ROOT / ".venv" / "lighthouse" / "node_modules" / "lighthouse" / "cli" / "index.js"
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
FIGURES = {
    "first-contentful-paint": "FCP", "largest-contentful-paint": "LCP",
    "total-blocking-time": "TBT", "cumulative-layout-shift": "CLS", "total-byte-weight": "bytes",
}  # fmt: skip
_MINUTES, _TRIES = 3, 3


@dataclass(frozen=True, slots=True)
class Report:
    """What Lighthouse said about one page."""

    name: str
    scores: tuple[int, ...]
    figures: str
    losses: tuple[str, ...]


def _pages(context: BrowserContext) -> Iterator[tuple[str, str]]:
    """Name and path of each page; the browser is signed in, in the end out, when it is asked for."""
    page = context.new_page()
    sign_in_as(page, LOTTE)
    yield "licences", "/licences"
    yield "wallet", "/wallet"
    quote = add_licences(page, 3)
    yield "quote review", quote
    checkout = quote.replace("/quotes/", "/checkout/")
    page.goto(f"{checkout}/payment")
    yield "checkout: payment", f"{checkout}/payment"
    pay_with_new_card(page, WORKS)
    save_payment_step(page)
    yield "checkout: service order", f"{checkout}/service-order"
    context.clear_cookies()
    yield "sign-in", "/sign-in"


def _ask(url: str, port: int, report: Path) -> dict[str, Any]:
    """Lighthouse's answer about the page at `url`, in the browser that listens at `port`."""
    command = [
        find_node() or "node", str(COMMAND), url, f"--port={port}", "--quiet",
        "--no-enable-error-reporting", f"--only-categories={','.join(CATEGORIES)}",
        "--output=json", "--output=html", f"--output-path={report}",
    ]  # fmt: skip
    for _ in range(_TRIES):  # on a busy machine it now and then misses the beginning of a page
        done = subprocess.run(command, timeout=_MINUTES * 60)
        if done.returncode == 0:
            break
    else:
        raise SystemExit(f"Lighthouse gave up on {url}")
    answer: dict[str, Any] = json.loads(report.with_name(f"{report.name}.report.json").read_text())
    return answer


def _read(name: str, answer: dict[str, Any]) -> Report:
    audits = answer["audits"]
    costly = {
        ref["id"]
        for category in answer["categories"].values()
        for ref in category["auditRefs"]
        if ref["weight"]
    }
    losses = tuple(
        f"{audit['title']} ({key}): {audit['score']}"
        for key, audit in audits.items()
        if audit["score"] is not None and audit["score"] < 1 and key in costly
    )
    figures = ", ".join(
        f"{short} {audits[key]['displayValue'].replace(chr(160), ' ')}"
        for key, short in FIGURES.items()
        if "displayValue" in audits.get(key, {})
    )
    scores = tuple(round(answer["categories"][one]["score"] * 100) for one in CATEGORIES)
    return Report(name, scores, figures, losses)


def measure(folder: Path, word: str) -> list[Report]:
    """Ask Lighthouse about the pages whose name contains `word`."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    options = launch_args()
    options["args"] = [*options["args"], f"--remote-debugging-port={port}"]
    reports = []
    with (
        DemoServer() as server,
        sync_playwright() as playwright,
        tempfile.TemporaryDirectory() as own,
    ):
        # Its own profile: Lighthouse opens a tab beside ours, which shares our cookies.
        context = playwright.chromium.launch_persistent_context(
            own, base_url=server.url, locale="en", **options
        )
        for name, path in _pages(context):
            if word in name:
                file = folder / name.replace(": ", "-").replace(" ", "-")
                reports.append(_read(name, _ask(f"{server.url}{path}", port, file)))
        context.close()
    return reports


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="lighthouse", description=__doc__)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=ROOT / "test-results" / "lighthouse"
    )
    parser.add_argument("--only", default="", help="only pages with this word in their name")
    chosen = parser.parse_args(arguments)
    if not COMMAND.is_file():
        print("Lighthouse is not installed: .ci/setup_lighthouse", file=sys.stderr)
        return 1
    reports = measure(chosen.folder, chosen.only)
    print(f"{'':26}{'  '.join(CATEGORIES)}")
    for report in reports:
        scores = "  ".join(
            str(score).rjust(len(one)) for one, score in zip(CATEGORIES, report.scores, strict=True)
        )
        print(f"{report.name:26}{scores}   {report.figures}")
        for loss in report.losses:
            print(f"    {loss}")
    print(f"whole reports: {chosen.folder}")
    return 0 if reports else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
