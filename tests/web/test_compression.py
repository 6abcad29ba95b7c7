"""Text answers come as gzip whose length says nothing; everything else is left as it is."""

from __future__ import annotations

import gzip
import zlib

import pytest
from flask import Flask, Response
from flask.typing import ResponseReturnValue
from werkzeug.test import TestResponse

from portal.web import compression
from portal.web.compression import takes_gzip, zipped
from tests.support.client import PortalClient
from tests.support.weight import GZIP, MOST_PADDING, padding_of

LOTTE = "lotte.verbeke@atelier-noordzee.example"
WORDS = "A licence is a seat that somebody holds. " * 40


@pytest.fixture
def answering() -> Flask:
    """An app that answers `/` with what a test puts into its config."""
    app = Flask(__name__)
    compression.install(app)

    @app.get("/")
    def answer() -> ResponseReturnValue:
        made: Response = app.config["ANSWER"]
        return made

    return app


def ask(app: Flask, answer: Response, **headers: str) -> TestResponse:
    app.config["ANSWER"] = answer
    return app.test_client().get("/", headers=headers or GZIP)


@pytest.mark.parametrize(
    ("accept_encoding", "takes"),
    [("gzip", True), ("gzip, deflate, br, zstd", True), ("GZIP", True), ("*", True),
     ("gzip;q=0.5, *;q=0", True), ("", False), ("br", False), ("identity", False),
     ("gzip;q=0", False), ("*;q=0", False), ("nogzip", False), ("deflate, *;q=0", False)],
)  # fmt: skip
def test_only_who_reads_gzip_gets_it(accept_encoding: str, takes: bool) -> None:
    assert takes_gzip(accept_encoding) is takes


@pytest.mark.parametrize("content", [b"", b"x", WORDS.encode(), bytes(range(256)) * 4_000])
def test_what_is_zipped_is_read_by_every_gzip(content: bytes) -> None:
    packed = zipped(content)
    assert gzip.decompress(packed) == content
    reader = zlib.decompressobj(wbits=31)
    assert reader.decompress(packed) + reader.flush() == content
    assert reader.eof
    assert not reader.unused_data


def test_the_length_of_the_same_page_differs_by_up_to_a_hundred_bytes() -> None:
    """BREACH reads a secret from lengths: one guess that is right saves less than this adds."""
    content = WORDS.encode()
    lengths = {len(zipped(content)) for _ in range(3_000)}
    assert max(lengths) - min(lengths) == MOST_PADDING
    assert len(lengths) == MOST_PADDING + 1, "every length in between"
    names = {padding_of(zipped(content)) for _ in range(300)}
    assert {len(name) for name in names} <= set(range(100))
    assert len(names) > 50


def test_a_page_is_zipped_and_padded(client: PortalClient) -> None:
    client.sign_in(LOTTE)
    plain = client.get("/licences")
    assert "Content-Encoding" not in plain.headers
    assert "Accept-Encoding" in plain.vary
    lengths = set()
    for _ in range(30):
        packed = client.browser.get("/licences", headers=GZIP)
        assert packed.headers["Content-Encoding"] == "gzip"
        assert packed.content_length == len(packed.data)
        assert {"accept-encoding", "cookie"} <= {name.lower() for name in packed.vary}
        assert gzip.decompress(packed.data) == plain.data
        lengths.add(packed.content_length)
    assert len(lengths) > 10
    assert max(lengths) * 3 < len(plain.data)


def test_a_fragment_and_an_error_are_zipped_too(client: PortalClient) -> None:
    client.sign_in(LOTTE)
    for path, headers in (("/members", {"HX-Request": "true"}), ("/nowhere", {})):
        plain = client.browser.get(path, headers=headers)
        packed = client.browser.get(path, headers={**headers, **GZIP})
        assert packed.status_code == plain.status_code
        assert packed.headers["Content-Encoding"] == "gzip", path
        assert b"<" in gzip.decompress(packed.data)


@pytest.mark.parametrize("media_type", ["text/html", "text/csv", "application/json",
                                        "image/svg+xml"])  # fmt: skip
def test_text_is_zipped(answering: Flask, media_type: str) -> None:
    answer = ask(answering, Response(WORDS, mimetype=media_type))
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data).decode() == WORDS


def test_what_is_no_whole_text_is_left_alone(answering: Flask) -> None:
    encoded = Response(WORDS, mimetype="text/css")
    encoded.headers["Content-Encoding"] = "br"
    left = {
        "a stream": Response((part for part in [WORDS, WORDS]), mimetype="text/csv"),
        "a PDF": Response(WORDS, mimetype="application/pdf"),
        "an archive": Response(WORDS, mimetype="application/zip"),
        "encoded already": encoded,
        "short": Response("ok\n", mimetype="text/plain"),
        "a part": Response(WORDS, status=206, mimetype="text/plain"),
        "nothing": Response(status=204),
    }
    for what, answer in left.items():
        given = answer.headers.get("Content-Encoding")
        got = ask(answering, answer)
        assert got.headers.get("Content-Encoding") == given, what
        assert "Accept-Encoding" not in got.vary, what


def test_no_gzip_for_who_does_not_ask(answering: Flask) -> None:
    got = ask(answering, Response(WORDS, mimetype="text/html"), **{"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in got.headers
    assert got.text == WORDS
    assert "Accept-Encoding" in got.vary, "a cache keeps both"


@pytest.mark.parametrize("is_weak", [False, True])
def test_the_etag_of_what_is_zipped_is_weak(answering: Flask, is_weak: bool) -> None:
    """Its bytes differ every time, so a strong one would be a lie."""
    answer = Response(WORDS, mimetype="text/html")
    answer.set_etag("of-the-page", weak=is_weak)
    assert ask(answering, answer).headers["ETag"] == 'W/"of-the-page"'
    plain = Response(WORDS, mimetype="text/html")
    plain.set_etag("of-the-page")
    assert ask(answering, plain, **{"Accept-Encoding": "br"}).headers["ETag"] == '"of-the-page"'


def test_a_head_request_gets_the_headers_and_no_body(client: PortalClient) -> None:
    answer = client.browser.head("/sign-in", headers=GZIP)
    assert answer.status_code == 200
    assert answer.headers["Content-Encoding"] == "gzip"
    assert not answer.data
