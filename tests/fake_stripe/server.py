"""The HTTP of this Stripe: contract, idempotency keys, faults on the line, a door for the test."""

from __future__ import annotations

import hashlib
import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.fake_stripe import pages
from tests.fake_stripe.books import DAY, Books, Refusal, Thing
from tests.fake_stripe.contract import Contract, Operation, nested
from tests.fake_stripe.disputes import close_dispute, open_dispute
from tests.fake_stripe.operations import run
from tests.fake_stripe.payments import answer_challenge, save_method
from tests.fake_stripe.postman import Postman

__all__ = ["FAULTS", "Server"]

FAULTS = (
    "timeout_before", "timeout_after", "500", "500_after", "429", "slow", "malformed", "empty",
    "reset", "reset_after",
)  # fmt: skip
"""What may go wrong with a call; `slow` has its effect, but only when nobody waits any more."""


class _NoAnswer(Exception):
    """The line is cut: hung up, or reset."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self.reset = reset


@dataclass
class _Remembered:
    request: str
    at: int
    answer: tuple[int, Thing] | None = None  # None while it is being worked on


class Server:
    """State and answers; `handle` is called from many threads."""

    def __init__(self, api_key: str) -> None:
        self.api_key = api_key
        self.contract = Contract()
        self.violations: list[str] = []
        self.faults: list[tuple[str, str]] = []
        self.calls: list[str] = []
        self.hang = 30.0
        self._keys: dict[str, _Remembered] = {}
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.books = Books(self.url)
        self.postman = Postman(self.books.now)
        self.books.on_event = self._take_event
        self._wake = threading.Event()

    def _take_event(self, event: Thing) -> None:
        self.violations += self.contract.check(self.contract.event, event, event["type"])
        self.postman.take(event)

    # --- the API -------------------------------------------------------------------

    def api(self, method: str, target: str, headers: Any, form: str) -> tuple[int, Thing, Thing]:
        """Answer one call: status, headers, body. Raises _NoAnswer."""
        parts = urlsplit(target)
        if headers.get("Authorization") != f"Bearer {self.api_key}":
            return 401, {}, {"error": {"type": "invalid_request_error", "message": "Invalid key."}}
        found = self.contract.find(method, parts.path)
        if found is None:
            return self._violation(f"{method} {parts.path} is no operation of the contract")
        operation, ids = found
        asked, wrong = self.contract.read(
            operation.asks, nested(form if method == "POST" else parts.query)
        )
        if wrong:
            return self._violation(f"{operation.name}: {'; '.join(wrong)}")
        with self.books.lock:
            self.calls.append(operation.name)
            fault = self._fault(operation.name)
        key = headers.get("Idempotency-Key") if method == "POST" else None
        return self._answer(operation, ids, asked, key, fault)

    def _violation(self, line: str) -> tuple[int, Thing, Thing]:
        self.violations.append(line)
        error = {"type": "invalid_request_error", "code": "parameter_unknown", "message": line}
        return 400, {}, {"error": error}

    def _answer(
        self, operation: Operation, ids: Thing, asked: Thing, key: str | None, fault: str
    ) -> tuple[int, Thing, Thing]:
        if fault == "429":
            error = {"type": "invalid_request_error", "code": "rate_limit", "message": "Slowly."}
            return 429, {"Retry-After": "1"}, {"error": error}
        if fault in {"timeout_before", "reset"}:
            self._pause(fault == "timeout_before")
            raise _NoAnswer(reset=fault == "reset")
        if key is not None:
            known = self._recall(
                key, f"{operation.name} {json.dumps([ids, asked], sort_keys=True)}"
            )
            if known is not None:
                return known
        if fault == "slow":
            self._pause(True)
        status, body = self._run(operation, ids, asked, fails=fault == "500")
        if fault == "500_after":
            status, body = 500, _server_error()
        if key is not None:
            with self.books.lock:
                remembered = self._keys[key]
                remembered.answer, remembered.at = (status, body), self.books.now()
        if fault in {"timeout_after", "reset_after"}:
            self._pause(fault == "timeout_after")
            raise _NoAnswer(reset=fault == "reset_after")
        if fault == "malformed":
            return status, {"X-Cut": "1"}, body
        return status, {}, {} if fault == "empty" else body

    def _recall(self, key: str, request: str) -> tuple[int, Thing, Thing] | None:
        """What this key was answered before; None for a new key, which is worked on from now."""
        digest = hashlib.sha256(request.encode()).hexdigest()
        with self.books.lock:
            known = self._keys.get(key)
            # Forgotten a day after the answer: what is worked on stays, wherever the clock is put.
            old = known is not None and known.answer and known.at < self.books.now() - DAY
            if known is None or old:
                self._keys[key] = _Remembered(digest, self.books.now())
                return None
            if known.request != digest:
                return 400, {}, {
                    "error": {
                        "type": "idempotency_error",
                        "message": "Keys can only be used with the same parameters.",
                    }
                }  # fmt: skip
            if known.answer is None:
                error = {"type": "invalid_request_error", "code": "idempotency_key_in_use"}
                return 409, {}, {"error": {**error, "message": "Another request is in progress."}}
            status, body = known.answer
            return status, {"Idempotent-Replayed": "true"}, body

    def _run(
        self, operation: Operation, ids: Thing, asked: Thing, *, fails: bool
    ) -> tuple[int, Thing]:
        if fails:
            return 500, _server_error()
        with self.books.lock:
            self.books.pass_time()
            try:
                body = self.books.shown(run(self.books, operation.name, ids, asked))
                wrong = self.contract.check(operation.answers, body)
                status = 200
            except Refusal as refusal:
                status, body = refusal.status, refusal.body
                wrong = self.contract.check(self.contract.error, body)
            self.violations += [f"answer of {operation.name}{line}" for line in wrong]
            return status, body

    def _fault(self, name: str) -> str:
        for each in self.faults:
            if each[0] in {"*", name}:
                self.faults.remove(each)
                return each[1]
        return ""

    def _pause(self, hangs: bool) -> None:
        if hangs:
            self._wake.wait(self.hang)

    # --- the door for the test -----------------------------------------------------

    def control(self, action: str, told: Thing) -> Thing:
        """Do what a test asks of the provider's counter."""
        with self.books.lock:
            done = _CONTROLS[action](self, told)
            return done if isinstance(done, dict) else {}

    def _reset(self, told: Thing) -> None:
        self.books.things.clear()
        self.books.numbers.clear()
        self.books.due.clear()
        self.books.fixed = None
        self.faults.clear()
        self.violations.clear()
        self.calls.clear()
        self._keys.clear()
        self.hang = float(told.get("hang", 30))
        self._wake.set()
        self._wake = threading.Event()
        self.postman.configure({})

    def _clock(self, told: Thing) -> None:
        self.books.fixed = told["now"]
        self.books.pass_time()

    def _save(self, told: Thing) -> None:
        session = self.books.get("checkout.session", told["session"])
        expires = told.get("expires")
        save_method(self.books, session, told["number"], tuple(expires) if expires else None)

    def _authenticate(self, told: Thing) -> None:
        intent = self.books.get("payment_intent", told["intent"])
        answer_challenge(self.books, intent, approve=told["approve"])

    def _faults(self, told: Thing) -> None:
        for name, kind in told["faults"]:
            if kind not in FAULTS:
                raise Refusal(400, None, f"no fault {kind}")
            self.faults.append((name, kind))

    def _webhooks(self, told: Thing) -> None:
        self.postman.configure(told)

    def _dispute(self, told: Thing) -> Thing:
        intent = self.books.get("payment_intent", told.pop("intent"))
        return open_dispute(self.books, self.books.things[intent["latest_charge"]], **told)

    def _close_dispute(self, told: Thing) -> None:
        dispute = self.books.get("dispute", told["dispute"])
        close_dispute(self.books, dispute, status=told["status"])

    def _mandate(self, told: Thing) -> None:
        for thing in list(self.books.things.values()):
            if thing["object"] == "mandate" and thing["payment_method"] == told["method"]:
                thing["status"] = told["status"]
                self.books.tell("mandate.updated", thing)

    def _new_card(self, told: Thing) -> None:
        method = self.books.get("payment_method", told["method"])
        method["card"].update(told["card"])
        self.books.tell("payment_method.automatically_updated", method)

    def _state(self, told: Thing) -> Thing:
        kind = told["kind"]
        return {
            "things": [t for t in self.books.things.values() if t["object"] == kind],
            "waiting": self.postman.waiting,
            "posted": self.postman.posted,
            "calls": list(self.calls),
            "faults": len(self.faults),
        }

    def _told_wrong(self, told: Thing) -> Thing:
        wrong = list(self.violations)
        self.violations.clear()
        return {"violations": wrong}


_CONTROLS: dict[str, Callable[[Server, Thing], Thing | None]] = {
    "authenticate": Server._authenticate,
    "clock": Server._clock,
    "close_dispute": Server._close_dispute,
    "dispute": Server._dispute,
    "faults": Server._faults,
    "mandate": Server._mandate,
    "new_card": Server._new_card,
    "reset": Server._reset,
    "save_method": Server._save,
    "state": Server._state,
    "violations": Server._told_wrong,
    "webhooks": Server._webhooks,
}


def _server_error() -> Thing:
    return {"error": {"type": "api_error", "message": "Something is wrong at our end."}}


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve("GET")

        def do_POST(self) -> None:
            self._serve("POST")

        def do_DELETE(self) -> None:
            self._serve("DELETE")

        def _serve(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if self.path.startswith("/_control/"):
                self._control(body)
            elif self.path.startswith("/v1/"):
                self._api(method, body)
            else:
                with server.books.lock:
                    status, headers, page = pages.serve(
                        server.books, method, urlsplit(self.path).path, body
                    )
                self._send(status, headers, page)

        def _control(self, body: str) -> None:
            try:
                answer = server.control(self.path.split("/")[2], json.loads(body or "{}"))
            except Refusal as refusal:
                self._send(400, {}, json.dumps(refusal.body).encode())
            else:
                self._send(200, {}, json.dumps(answer).encode())

        def _api(self, method: str, body: str) -> None:
            try:
                status, headers, answer = server.api(method, self.path, self.headers, body)
            except _NoAnswer as cut:
                if cut.reset:
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True
                self.connection.close()
                return
            content = json.dumps(answer).encode()
            if headers.pop("X-Cut", None):
                content = content[: len(content) // 2]
            self._send(status, {"Content-Type": "application/json", **headers}, content)

        def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            head = {"Content-Length": str(len(content)), "Request-Id": "req_fake", **headers}
            lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
            whole = f"HTTP/1.1 {status} Answer\r\n{lines}\r\n".encode() + content
            try:
                self.wfile.write(whole)
            except OSError:  # whoever asked has left
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            pass

    return Handler
