"""Who acts in a request, for the audit trail."""

from __future__ import annotations

from portal.services.audit import Actor
from portal.web.signed_in import signed_in

__all__ = ["acting_person"]


def acting_person() -> Actor:
    """The signed-in person as the actor of what the request does."""
    who = signed_in()
    assert who is not None, "a route that acts asks for a signed-in person"
    return Actor("staff" if who.role is None and who.staff_role else "person", who.name,
                 who.person_id)  # fmt: skip
