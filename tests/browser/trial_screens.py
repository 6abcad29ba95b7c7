"""Screens of trials: one with days left, one that can only be read, and an account without any."""

from __future__ import annotations

from tests.browser.screen import AMELIA, JONAS, Screen, at

__all__ = ["TRIALS"]

SANNE = "sanne.dijkstra@de-ketting.example"  # a trial that is over

TRIALS = (
    Screen("trial", AMELIA, at("/trial")),
    Screen("trial-read-only", SANNE, at("/trial")),
    Screen("licences-read-only", SANNE, at("/licences")),
    Screen("billing-read-only", SANNE, at("/billing")),
    Screen("trial-none", JONAS, at("/trial")),
)
