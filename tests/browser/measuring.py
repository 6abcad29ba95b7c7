"""What an eye and a hand need of a page, measured: targets, focus, spacing, movement (WCAG 2.2)."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

__all__ = [
    "CUT_OFF",
    "TARGET",
    "cut_off_when_spaced",
    "lost_in_forced_colours",
    "moving",
    "small_targets",
    "unseen_focus",
    "unseen_stop",
]

TARGET = 24  # CSS px, in both directions (2.5.8)

# Everything that can be pressed is large enough: the box itself, or together with its label. A link
# in a sentence is exempt, and what is not on screen (a closed menu, a field for the form alone).
_SMALL = """(least) => {
  const own = (e) => e.getBoundingClientRect();
  const isShown = (e) => e.checkVisibility({ visibilityProperty: true }) && own(e).width > 1
    && !e.closest(".visually-hidden");
  const inSentence = (e) => {
    if (getComputedStyle(e).display !== "inline") return false;
    const text = e.closest("p, li, dd, td, th, label, .hint, .banner > div, .small");
    return text !== null && text.textContent.trim().length > e.textContent.trim().length;
  };
  const box = (e) => {
    const boxes = [own(e), ...(e.labels ?? [])].map((each) => each.tagName ? own(each) : each)
      .filter((each) => each.width > 1);
    const edge = (side, pick) => pick(...boxes.map((each) => each[side]));
    return [edge("right", Math.max) - edge("left", Math.min),
            edge("bottom", Math.max) - edge("top", Math.min)];
  };
  return [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
    .filter((e) => isShown(e) && !inSentence(e))
    .map((e) => [e, box(e)])
    .filter(([, [width, height]]) => width < least - .01 || height < least - .01)
    .map(([e, [width, height]]) =>
      `${width.toFixed(1)} × ${height.toFixed(1)} px: ${e.outerHTML.slice(0, 110)}`);
}"""

# What a stop of the keyboard lacks: it shows its focus, it is in the window, and nothing that stays
# in place (the bar on top, a notice) covers all of it (2.4.7, 2.4.11).
_LACKS = """const lacks = (stop) => {
  const style = getComputedStyle(stop);
  const box = stop.getClientRects()[0];
  const points = [[.5, .5], [.1, .5], [.9, .5], [.5, .15], [.5, .85]]
    .map(([x, y]) => [box.left + box.width * x, box.top + box.height * y]);
  const isThere = ([x, y]) => {
    const top = document.elementFromPoint(x, y);
    return top !== null && (stop.contains(top) || top.contains(stop)
      || [...(stop.labels ?? [])].some((label) => label.contains(top)));
  };
  const what = style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2 ? "no outline"
    : points.some(isThere) ? "" : "out of sight or covered";
  return what && `${what}: ${stop.outerHTML.slice(0, 110)}`;
};"""
_UNSEEN_STOP = (
    "() => { const stop = document.activeElement;"
    + _LACKS
    + "return stop === document.body ? '' : lacks(stop); }"
)
_UNSEEN = (
    "() => {"
    + _LACKS
    + """
  const wrong = [];
  for (const stop of document.querySelectorAll(
    "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")) {
    if (stop.tabIndex < 0 || stop.disabled || !stop.checkVisibility({ visibilityProperty: true }))
      continue;
    stop.focus({ focusVisible: true });
    if (document.activeElement === stop) wrong.push(lacks(stop));
  }
  document.activeElement?.blur();
  scrollTo(0, 0);
  return wrong.filter((each) => each);
}"""
)

CUT_OFF = """
  const cutOff = () => {
    const cut = [];
    for (const each of document.querySelectorAll("body *:not(input, select, textarea, svg *)")) {
      const style = getComputedStyle(each);
      if (style.display === "inline" || each.clientWidth <= 1) continue;
      if (["auto", "scroll"].includes(style.overflowX)) continue;
      const hides = ["hidden", "clip"].includes(style.overflowY);
      if (each.scrollWidth > each.clientWidth + 1
          || (hides && each.scrollHeight > each.clientHeight + 1))
        cut.push(each.outerHTML.slice(0, 140));
    }
    return cut;
  };
"""
"""A function for a script that is run in a page: what is wider or higher than the box that holds it."""

# The spacing that a reader may ask for (1.4.12), and what is cut off by it. A style sheet that is
# constructed is no inline style: the policy of the page stays as it is.
_SPACED = (
    """() => {"""
    + CUT_OFF
    + """
  const spacing = new CSSStyleSheet();
  spacing.replaceSync(`* { line-height: 1.5 !important; letter-spacing: .12em !important;
    word-spacing: .16em !important; } p { margin-block-end: 2em !important; }`);
  document.adoptedStyleSheets = [spacing];
  const cut = cutOff();
  if (document.documentElement.scrollWidth > innerWidth) cut.push("the page is too wide");
  document.adoptedStyleSheets = [];
  return cut;
}"""
)

# What moves although the reader asked for less motion.
_MOVING = """() => {
  const isLong = (times) => times.split(",").some((time) => parseFloat(time) > 0);
  return [...document.querySelectorAll("*")].filter((e) => {
    const style = getComputedStyle(e);
    return isLong(style.transitionDuration) || isLong(style.animationDuration)
      || style.scrollBehavior === "smooth";
  }).map((e) => e.outerHTML.slice(0, 110)).slice(0, 3);
}"""


# Where the reader's own few colours are used, a box has a line, and what is chosen or done another
# colour than what is not.
_COLOURLESS = """() => {
  const canvas = getComputedStyle(document.body).backgroundColor;
  const isShown = (e) => e.checkVisibility({ visibilityProperty: true }) && e.clientWidth > 1;
  const hasLine = ({ borderTopStyle: line, borderTopWidth: width, borderTopColor: colour }) =>
    line !== "none" && parseFloat(width) >= 1 && colour !== canvas && colour !== "rgba(0, 0, 0, 0)";
  const boxes = [...document.querySelectorAll(".button, .tag, .input, .avatar, progress")];
  const chosen = [...document.querySelectorAll(
    ":is(.side, .menu) [aria-current], .button[aria-current]")];
  const done = [...document.querySelectorAll(".progress > .done")];
  return [
    ...boxes.filter((e) => isShown(e) && !hasLine(getComputedStyle(e))),
    ...chosen.filter((e) => isShown(e) && getComputedStyle(e).backgroundColor === canvas),
    ...done.filter((e) => getComputedStyle(e, "::before").backgroundColor === canvas),
  ].map((e) => e.outerHTML.slice(0, 110));
}"""


def small_targets(page: Page) -> list[str]:
    """What is too small to be pressed by an unsteady hand."""
    return _asked(page, _SMALL, TARGET)


def unseen_focus(page: Page) -> list[str]:
    """Stops of the keyboard that do not show that they have the focus."""
    return _asked(page, _UNSEEN)


def unseen_stop(page: Page) -> str:
    """What the stop that has the focus lacks, or nothing."""
    found: str = page.evaluate(_UNSEEN_STOP)
    return found


def cut_off_when_spaced(page: Page) -> list[str]:
    """What is lost where a reader spaces the text out."""
    return _asked(page, _SPACED)


def moving(page: Page) -> list[str]:
    """What moves on a page that was asked not to."""
    return _asked(page, _MOVING)


def lost_in_forced_colours(page: Page) -> list[str]:
    """What cannot be told apart where the reader's system chooses the colours."""
    page.emulate_media(forced_colors="active")
    found = _asked(page, _COLOURLESS)
    page.emulate_media(forced_colors="none")
    return found


def _asked(page: Page, script: str, *values: Any) -> list[str]:
    found: list[str] = page.evaluate(script, *values)
    return found
