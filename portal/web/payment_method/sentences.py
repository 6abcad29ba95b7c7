"""Why a payment method was not taken, in the person's language."""

from __future__ import annotations

from portal.web.messages import SENTENCES, problem_sentence

__all__ = ["refusal_sentence"]


def refusal_sentence(code: str | None) -> str:
    """The sentence of a refusal; a provider's own code gets the one of a failed setup."""
    return problem_sentence(code if code in SENTENCES else "setup_failed", {})
