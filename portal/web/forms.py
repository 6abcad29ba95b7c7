"""Forms: the base class of every form, problems of the domain on their fields, typed input kept.

The request's CSRF token is checked once for every POST (extensions.csrf), so forms carry no token
field of their own; templates write it with the macro `csrf()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from flask import request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from werkzeug.datastructures import ImmutableMultiDict
from wtforms import Field, PasswordField, RadioField, StringField, TextAreaField
from wtforms.validators import Length

from portal.domain.errors import Problem, Rejected
from portal.web.languages import kept_input
from portal.web.messages import problem_sentence

__all__ = ["UNREADABLE", "PortalForm"]

UNREADABLE = "\N{REPLACEMENT CHARACTER}"
"""Stands where a request sent bytes that are no text, or a control character (bad_input.py)."""

_LONGEST_LINE = 200
_LONGEST_TEXT = 5_000


class _OurWords:
    """What fields say by themselves, in our words and our register instead of WTForms' own."""

    _words: ClassVar[dict[str, Any]] = {
        "Invalid Choice: could not coerce.": _l("Choose one of the options."),
        "Not a valid choice.": _l("Choose one of the options."),
        "Not a valid date value.": _l("Enter a date."),
        "Not a valid integer value.": _l("Enter a whole number in digits, for example 12."),
    }

    def gettext(self, text: str) -> str:
        """Our sentence for one of WTForms'."""
        return str(self._words.get(text, text))

    def ngettext(self, one: str, many: str, number: int) -> str:
        """Ours, too; what comes with a number is the `Length`s', which `_unfit` says."""
        return self.gettext(one if number == 1 else many)


def _strip(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


class PortalForm(FlaskForm):
    """A form whose texts are stripped, bounded and readable.

    A line holds 200 characters and a text area 5000 unless a `Length(max=…)` of the field says
    otherwise. On GET the form shows what was typed before the language was switched.
    """

    class Meta(FlaskForm.Meta):
        csrf = False  # the app checks every POST; see the module's docstring

        def get_translations(self, form: Any) -> Any:
            return _OurWords()

        def bind_field(self, form: Any, unbound_field: Any, options: dict[str, Any]) -> Any:
            kind = unbound_field.field_class
            if issubclass(kind, StringField) and not issubclass(kind, PasswordField):
                own = unbound_field.kwargs.get("filters", ())
                options = {**options, "filters": (_strip, *own)}
            return unbound_field.bind(form=form, **options)

    def __init__(self, formdata: Any = ..., **more: Any) -> None:
        if formdata is ...:
            if request and request.method == "GET":
                formdata = self._kept(more.get("prefix", ""))
            else:
                formdata = request.form if request and request.method == "POST" else None
        super().__init__(formdata=formdata, **more)

    def _kept(self, prefix: str) -> ImmutableMultiDict[str, str] | None:
        typed = kept_input()
        own = {f"{prefix}{name}" for name, _field in self._unbound_fields or ()}
        return typed if typed and any(name in own for name in typed) else None

    def validate(self, extra_validators: Mapping[str, Any] | None = None) -> bool:
        """The fields' own validators, after the check that every text is readable and short."""
        valid = super().validate(extra_validators=extra_validators)
        for field in self:
            reason = _unfit(field)
            if reason is not None:
                field.errors = [reason]
                valid = False
        return valid

    def problems(self, rejected: Rejected | Iterable[Problem]) -> None:
        """Put the domain's problems on their fields, as sentences in the person's language.

        A problem of a field that this form does not have stands in the summary alone.
        """
        found = rejected.problems if isinstance(rejected, Rejected) else rejected
        for problem in found:
            self.problem(problem.field, problem_sentence(problem.code, problem.data))

    def problem(self, name: str, sentence: str) -> None:
        """Put one finished sentence on the field `name`, or on the form where it has none."""
        field = self._fields.get(f"{self._prefix}{name}") or self._fields.get(name)
        if field is None:
            self.form_errors.append(sentence)
        else:
            field.errors = [*field.errors, sentence]

    @property
    def summary(self) -> list[tuple[str | None, str]]:
        """Every error: the id of the field it belongs to (None for the form's own), its sentence."""
        listed: list[tuple[str | None, str]] = [(None, str(text)) for text in self.form_errors]
        for field in self:
            listed += [(first_id(field), str(text)) for text in field.errors]
        return listed


def first_id(field: Field) -> str:
    """The id to jump to: a group of radios or checkboxes has its first one's."""
    options = list(field) if isinstance(field, RadioField) else []
    return str(options[0].id if options else field.id)


def _unfit(field: Field) -> str | None:
    texts = [text for text in field.raw_data or () if isinstance(text, str)]
    if any(UNREADABLE in text for text in texts):
        return _("This contains characters that cannot be read. Type it again.")
    own: list[Any] = [check for check in field.validators if isinstance(check, Length)]
    usual = _LONGEST_TEXT if isinstance(field, TextAreaField) else _LONGEST_LINE
    longest = min((check.max for check in own if check.max > 0), default=usual)
    if isinstance(field, StringField) and any(len(text.strip()) > longest for text in texts):
        return _("This is too long: use at most %(maximum)s characters.", maximum=longest)
    return None
