"""The pages: one package a page area, each with its routes and forms."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from flask import Flask
from flask_babel import Babel

__all__ = ["AREAS", "install_web"]

AREAS = (
    "auth",
    "licences",
    "billing",
    "quotes",
    "cart",
    "checkout",
    "orders",
    "invoices",
    "payment_method",
    "wallet",
    "members",
    "activity",
    "support",
    "requests",
    "cancellation",
    "trial",
    "desk",
)


def install_web(app: Flask, babel: Babel) -> None:
    """Bind languages, sign-in, access, errors, headers and every page to the app."""
    from portal.web import (
        access,
        bad_input,
        errors,
        languages,
        locale,
        navigation,
        operation,
        root,
        security,
        signed_in,
        static_files,
    )

    bad_input.install(app)
    locale.install(app, babel)
    signed_in.install(app)
    static_files.install(app)
    security.install(app)
    operation.install(app)
    errors.install(app)
    root.install(app)

    for blueprint in (static_files, languages, operation, root):
        app.register_blueprint(blueprint.blueprint)
    for name in _areas(app):
        app.register_blueprint(import_module(name).blueprint)

    if "static" in app.view_functions:  # everything static has a hashed address instead
        access.public(app.view_functions["static"])
    access.check_every_route_declares(app)
    navigation.install(app)


def _areas(app: Flask) -> list[str]:
    settings = app.extensions["portal"].settings
    wanted = [f"portal.web.{area}" for area in AREAS]
    if settings.mode != "production":
        wanted.append("portal.web.demo")
    found = [f"{name}.routes" for name in wanted if find_spec(name) and find_spec(f"{name}.routes")]
    if find_spec("portal.api.webhooks"):
        found.append("portal.api.webhooks")
    return found
