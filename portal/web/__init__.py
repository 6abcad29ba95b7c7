"""The pages: one package a page area, each with its routes and forms."""

from __future__ import annotations

from importlib import import_module

from flask import Flask
from flask_babel import Babel

from portal.config import Mode

__all__ = ["AREAS", "install_web"]

AREAS = (
    "auth",
    "licences",
    "trial",
    "plans",
    "add_ons",
    "subscribe",
    "changes",
    "seat_removal",
    "cancellation",
    "quotes",
    "cart",
    "checkout",
    "orders",
    "invoices",
    "payment_method",
    "owed",
    "billing",
    "wallet",
    "requests",
    "support",
    "members",
    "consents",
    "activity",
    "data_export",
    "desk",
    "desk.accounts",
    "desk.requests",
    "desk.quoting",
    "desk.orders",
    "desk.support",
    "desk.tasks",
    "desk.operation",
    "desk.payments",
    "desk.statements",
    "desk.credits",
)


def install_web(app: Flask, babel: Babel) -> None:
    """Bind languages, sign-in, access, errors, headers and every page to the app."""
    from portal.web import (
        access,
        bad_input,
        compression,
        errors,
        how,
        languages,
        large_files,
        locale,
        navigation,
        operation,
        root,
        security,
        signed_in,
        static_files,
    )

    large_files.install(app)
    bad_input.install(app)
    locale.install(app, babel)
    signed_in.install(app)
    static_files.install(app)
    security.install(app)
    operation.install(app)
    errors.install(app)
    how.install(app)
    root.install(app)
    compression.install(app)

    for blueprint in (static_files, languages, operation, root):
        app.register_blueprint(blueprint.blueprint)
    for name in _areas(app):
        app.register_blueprint(import_module(name).blueprint)

    access.check_every_route_declares(app)
    navigation.install(app)


def _areas(app: Flask) -> list[str]:
    mode = app.extensions["portal"].settings.mode
    areas = [f"portal.web.{area}.routes" for area in AREAS]
    if mode is not Mode.PRODUCTION:
        areas.append("portal.web.demo.routes")
    return [*areas, "portal.api.webhooks"]
