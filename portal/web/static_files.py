"""Style sheet, script and images under hashed addresses that never change their content.

The vendor's accent colour is written into the style sheet when the process starts, so no page
needs an inline style. Its two ink colours are derived here, so that any accent reads well.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from flask import Blueprint, Flask, Response, abort, current_app, request
from flask.typing import ResponseReturnValue

from portal.config import ROOT
from portal.web.access import public
from portal.web.compression import takes_gzip
from portal.web.picture_size import width_at
from portal.web.signed_in import parts

__all__ = ["ACCENT_MARK", "accent_colours", "blueprint", "install"]

blueprint = Blueprint("assets", __name__)

ACCENT_MARK = "/*! accent */"
_KEY = "portal_assets"
_TEXTS = {".css", ".js", ".svg", ".webmanifest", ".txt"}
_SMALLEST_GZIP = 400
_YEAR = "public, max-age=31536000, immutable"
_AA = 4.6  # WCAG asks 4.5; a little more leaves room for rounding
_LOGO_HEIGHT = 28  # pixels, as in portal.css
_LIGHT_PAPER, _DARK_PAPER = "#f4f6f9", "#171c24"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, ready to send."""

    name: str
    digest: str
    media_type: str
    content: bytes
    zipped: bytes | None


def accent_colours(accent: str) -> dict[str, str]:
    """The accent and what derives from it: text on it, and itself as text on light and dark."""
    light, dark = accent, _mix(accent, "#ffffff", 0.3)
    light_wash, dark_wash = _mix(accent, "#ffffff", 0.92), _mix(accent, _DARK_PAPER, 0.78)
    while min(_contrast(light, _LIGHT_PAPER), _contrast(light, light_wash)) < _AA:
        light = _mix(light, "#000000", 0.06)
    while min(_contrast(dark, _DARK_PAPER), _contrast(dark, dark_wash)) < _AA:
        dark = _mix(dark, "#ffffff", 0.06)
    on_accent = "#ffffff" if _contrast(accent, "#ffffff") >= _AA - 0.1 else "#10151d"
    return {
        "accent": accent,
        "on-accent": on_accent,
        "accent-hover": _mix(accent, "#000000" if on_accent == "#ffffff" else "#ffffff", 0.14),
        "accent-ink": f"light-dark({light}, {dark})",
        "accent-wash": f"light-dark({light_wash}, {dark_wash})",
    }


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _mix(colour: str, other: str, part: float) -> str:
    mixed = (
        round(a + (b - a) * part) for a, b in zip(_channels(colour), _channels(other), strict=True)
    )
    return "#" + "".join(f"{max(0, min(255, channel)):02x}" for channel in mixed)


def _luminance(colour: str) -> float:
    def linear(channel: int) -> float:
        share = channel / 255
        return float(share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4)

    red, green, blue = (linear(channel) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _read_all(app: Flask) -> dict[str, Asset]:
    settings = app.extensions["portal"].settings
    vendor = app.extensions["portal"].catalogue.vendor
    colours = accent_colours(vendor.accent)
    files = {
        path.name: path.read_bytes()
        for path in sorted((ROOT / "static").iterdir())
        if path.is_file()
    }
    # One script, as a first visit pays for every request: htmx, and ours behind it.
    files["portal.js"] = _htmx().read_bytes() + b"\n" + files["portal.js"]
    declared = ":root{" + ";".join(f"--{name}:{value}" for name, value in colours.items()) + "}"
    sheet = files["portal.css"].decode("utf-8")
    if ACCENT_MARK not in sheet:
        raise RuntimeError(f"static/portal.css has lost its {ACCENT_MARK}")
    files["portal.css"] = sheet.replace(ACCENT_MARK, declared).encode("utf-8")
    if "favicon.svg" in files:
        files["favicon.svg"] = files["favicon.svg"].replace(
            b"#2855d9", vendor.accent.encode("ascii")
        )
    if vendor.logo:
        logo = settings.catalog_file.parent / vendor.logo
        if logo.is_file():
            files[f"logo{logo.suffix}"] = logo.read_bytes()
    return {name: _asset(name, content) for name, content in files.items()}


def _htmx() -> Path:
    """htmx 2 out of the wheel django-htmx; its Python is never imported."""
    spec = find_spec("django_htmx")
    if spec is None or spec.origin is None:
        raise RuntimeError("django-htmx is not installed: it brings the htmx script")
    return Path(spec.origin).parent / "static" / "django_htmx" / "htmx-2.min.js"


def _asset(name: str, content: bytes) -> Asset:
    suffix = Path(name).suffix
    zipped = (
        gzip.compress(content, 9, mtime=0)
        if suffix in _TEXTS and len(content) > _SMALLEST_GZIP
        else None
    )
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    if suffix in _TEXTS:
        media_type += "; charset=utf-8"
    return Asset(name, hashlib.sha256(content).hexdigest()[:16], media_type, content, zipped)


@blueprint.get("/assets/<digest>/<name>")
@public
def asset_file(digest: str, name: str) -> ResponseReturnValue:
    """One file; the address holds the hash of its content, so it is kept for ever."""
    found: Asset | None = current_app.extensions[_KEY].get(name)
    if found is None or found.digest != digest:
        abort(404)
    zipped = found.zipped if takes_gzip(request.headers.get("Accept-Encoding", "")) else None
    response = Response(zipped or found.content, content_type=found.media_type)
    response.headers["Cache-Control"] = _YEAR
    if found.zipped is not None:
        response.headers["Vary"] = "Accept-Encoding"
    if zipped is not None:
        response.headers["Content-Encoding"] = "gzip"
    return response


@blueprint.get("/favicon.ico")
@public
def favicon() -> ResponseReturnValue:
    """For browsers that ask without reading the page."""
    found: Asset = current_app.extensions[_KEY]["favicon.svg"]
    response = Response(found.content, content_type=found.media_type)
    response.headers["Cache-Control"] = "public, max-age=86400"
    return response


def install(app: Flask) -> None:
    """Read the files and give templates `asset('portal.css')` and `logo` (address, width, height)."""
    files = _read_all(app)
    app.extensions[_KEY] = files
    addresses = {name: f"/assets/{found.digest}/{name}" for name, found in files.items()}
    vendor = app.extensions["portal"].catalogue.vendor
    logo = next(
        (
            (addresses[name], width_at(_LOGO_HEIGHT, found.content), _LOGO_HEIGHT)
            for name, found in files.items() if name.startswith("logo.")
        ),
        None,
    )  # fmt: skip
    app.jinja_env.globals.update(
        asset=addresses.__getitem__, logo=logo, brand=vendor.brand, vendor=vendor,
        parts=parts, is_demo=app.extensions["portal"].settings.is_demo,
    )  # fmt: skip
