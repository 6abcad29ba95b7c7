"""Jinja as the portal uses it: the same templates, compiled to do less for every request.

A page has some 80 translated strings, 200 escaped values and 20 addresses; Jinja's general ways
cost more than the work itself. Here `_('…')` is compiled to one lookup, escaping makes no object
that is thrown away, a macro's module is found without comparing all globals, and an address that
was built once is remembered.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import lru_cache
from keyword import iskeyword
from typing import Any

from flask import request, url_for
from flask.templating import Environment
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from markupsafe import Markup, _escape_inner, escape

__all__ = ["PortalEnvironment", "escape_text", "page_address"]

_REMEMBERED_ADDRESSES = 4096


class _PortalCode(CodeGenerator):
    """Compiles `_('Words')` and `_('Words %(name)s', name=…)` to `environment.words(…)`."""

    def visit_Call(  # noqa: N802 - Jinja's name
        self, node: nodes.Call, frame: Frame, forward_caller: bool = False
    ) -> None:
        if not _is_words(node):
            super().visit_Call(node, frame, forward_caller=forward_caller)
            return
        self.write(f"environment.words({node.args[0].value!r}")  # type: ignore[attr-defined]
        for keyword in node.kwargs:
            self.write(f", {keyword.key}=")
            self.visit(keyword.value, frame)
        self.write(")")

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        context = frame.eval_ctx
        if finalize.src is not None or context.volatile or not context.autoescape:
            super()._output_child_pre(node, frame, finalize)
        elif _is_words(node):
            self.write("(")  # markup already: our own words, their values escaped
        else:
            self.write("environment.escape_text(")


def escape_text(value: Any) -> str:
    """`markupsafe.escape` without the Markup around it, which joining the page's parts drops."""
    kind = type(value)
    if kind is str:
        return _escape_inner(value)
    return value if kind is Markup else escape(value)


def _is_words(node: nodes.Node) -> bool:
    """Whether `node` is a call of `_` with a string and nothing but named values."""
    return (
        isinstance(node, nodes.Call)
        and isinstance(node.node, nodes.Name)
        and node.node.name == "_"
        and len(node.args) == 1
        and isinstance(node.args[0], nodes.Const)
        and isinstance(node.args[0].value, str)
        and node.dyn_args is None
        and node.dyn_kwargs is None
        and not any(iskeyword(keyword.key) for keyword in node.kwargs)
    )


class PortalEnvironment(Environment):
    """Set `words` (see portal.web.locale) before the first template is rendered."""

    code_generator_class = _PortalCode
    escape_text = staticmethod(escape_text)
    words: Any

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """One dict for all templates: none of ours has globals of its own."""
        return super().make_globals(d) if d else self.globals


@lru_cache(maxsize=_REMEMBERED_ADDRESSES)
def _address(root: str, endpoint: str, values: tuple[tuple[str, Any], ...]) -> str:
    """`root` is where the portal is mounted: part of what is remembered, not of the question."""
    return url_for(endpoint, **dict(values))


def page_address(endpoint: str, /, **values: Any) -> str:
    """`url_for` for templates, which ask for the same few addresses again and again.

    Relative endpoints and `_external` addresses depend on the request: they are built each time.
    """
    if endpoint.startswith(".") or "_external" in values:
        return url_for(endpoint, **values)
    return _address(request.root_path, endpoint, tuple(values.items()))
