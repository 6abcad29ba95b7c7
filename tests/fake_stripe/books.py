"""What this Stripe knows: its objects, its clock, its events, and what falls due by itself."""

from __future__ import annotations

import copy
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = ["DAY", "Books", "Refusal"]

DAY = 86_400
_PREFIX = {
    "customer": "cus", "payment_method": "pm", "setup_intent": "seti", "mandate": "mandate",
    "checkout.session": "cs_test", "payment_intent": "pi", "charge": "ch", "refund": "re",
    "event": "evt", "dispute": "dp",
}  # fmt: skip
# Which property holds the id of what.
_EXPANDABLE = {
    "customer", "payment_method", "setup_intent", "mandate", "payment_intent", "latest_charge",
    "charge",
}  # fmt: skip
_PARAM = {
    "payment_intent": "intent", "setup_intent": "intent", "checkout.session": "session",
}  # fmt: skip
Thing = dict[str, Any]


class Refusal(Exception):
    """An error of the API, with its HTTP status."""

    def __init__(self, status: int, code: str | None, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        kind = "card_error" if status == 402 else "invalid_request_error"
        self.body: Thing = {
            "error": {
                "type": more.pop("type", kind), "message": message,
                **({"code": code} if code else {}), **more,
            }
        }  # fmt: skip


class Books:
    """All objects by id. Whoever reads or writes holds `lock`."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.lock = threading.RLock()
        self.things: dict[str, Thing] = {}
        self.numbers: dict[str, str] = {}  # a payment method's test number, by its id
        self.due: list[tuple[float, Callable[[], None]]] = []
        self.fixed: float | None = None
        self.on_event: Callable[[Thing], None] = lambda event: None

    # --- time --------------------------------------------------------------------

    def now(self) -> int:
        """The clock here: the real one until it is fixed."""
        return int(self.fixed if self.fixed is not None else time.time())

    def later(self, seconds: float, happens: Callable[[], None]) -> None:
        """Let something happen by itself."""
        self.due.append((self.now() + seconds, happens))

    def pass_time(self) -> None:
        """Let everything happen that is due, the earliest first."""
        while True:
            ready = sorted(
                (each for each in self.due if each[0] <= self.now()), key=lambda each: each[0]
            )
            if not ready:
                return
            self.due.remove(ready[0])
            ready[0][1]()

    # --- objects -----------------------------------------------------------------

    def add(self, kind: str, **data: Any) -> Thing:
        """A new object with what every object has."""
        thing: Thing = {
            "id": f"{_PREFIX[kind]}_{secrets.token_hex(12)}",
            "object": kind,
            "created": self.now(),
            "livemode": False,
            **data,
        }
        if kind == "refund":
            del thing["livemode"]
        if kind == "mandate":
            del thing["created"]
        self.things[thing["id"]] = thing
        return thing

    def get(self, kind: str, ref: Any, param: str | None = None) -> Thing:
        """The object of an id; 404 resource_missing."""
        thing = self.things.get(str(ref))
        if thing is None or thing["object"] != kind:
            raise Refusal(
                400 if param else 404, "resource_missing", f"No such {kind}: '{ref}'",
                param=param or _PARAM.get(kind, kind),
            )  # fmt: skip
        return thing

    def listed(self, kind: str, wanted: Callable[[Thing], bool], asked: Thing) -> Thing:
        """A page of a list, the newest first, as the API pages."""
        found = [t for t in self.things.values() if t["object"] == kind and wanted(t)]
        found.reverse()
        created = asked.get("created")
        if isinstance(created, dict):
            tests: dict[str, Callable[[int, int], bool]] = {
                "gte": int.__ge__, "gt": int.__gt__, "lte": int.__le__, "lt": int.__lt__,
            }  # fmt: skip
            for name, limit in created.items():
                found = [t for t in found if tests[name](t["created"], limit)]
        after = asked.get("starting_after")
        if after:
            ids = [t["id"] for t in found]
            found = found[ids.index(after) + 1 :] if after in ids else []
        limit = int(asked.get("limit", 10))
        expand = [path.removeprefix("data.") for path in asked.get("expand", [])]
        return {
            "object": "list",
            "url": "/v1/" + kind.replace("checkout.session", "checkout/session") + "s",
            "has_more": len(found) > limit,
            "data": [self.shown(thing, expand) for thing in found[:limit]],
        }

    def shown(self, thing: Thing, expand: list[str] | None = None) -> Thing:
        """A copy of an object as it is answered, with what was asked to be expanded."""
        whole = copy.deepcopy(thing)
        for path in expand or []:
            inner: Any = whole
            for name in path.split("."):
                value = inner.get(name) if isinstance(inner, dict) else None
                if name in _EXPANDABLE and isinstance(value, str):
                    inner[name] = copy.deepcopy(self.things[value])
                inner = inner.get(name) if isinstance(inner, dict) else None
        return whole

    def tell(self, type_: str, thing: Thing) -> None:
        """Note an event; the postman takes it from there."""
        event = self.add(
            "event",
            type=type_,
            api_version="2026-10-28.endive",
            pending_webhooks=1,
            request=None,
            data={"object": self.shown(thing)},
        )
        self.on_event(event)
