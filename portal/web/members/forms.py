"""Forms of the members pages: inviting, a role, coming back, a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import (
    EmailField,
    FileField,
    HiddenField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import DataRequired, InputRequired, Length
from wtforms.widgets import CheckboxInput, ListWidget

from portal.domain.permissions import Role
from portal.web.checkout.forms import email_address
from portal.web.forms import PortalForm
from portal.web.locale import LANGUAGE_NAMES
from portal.web.members.views import Licence

__all__ = ["LONGEST_KEPT_FILE", "ConfirmForm", "FileForm", "InviteForm", "ReactivateForm", "RoleForm",
           "ids"]  # fmt: skip

LONGEST_KEPT_FILE = 900_000
_LONGEST_ID = 18


class LicencesField(SelectMultipleField):
    """A checkbox for each licence; what was sent is checked by the service."""

    widget = ListWidget(prefix_label=False)
    option_widget = CheckboxInput()

    def __init__(self, label: Any, **more: Any) -> None:
        super().__init__(label, validate_choice=False, **more)

    def offer(self, offered: Sequence[Licence]) -> None:
        """The licences that can be chosen."""
        self.choices = [(str(each.item_id), each.label) for each in offered]


def ids(texts: Sequence[str] | None) -> list[int]:
    """The ids that a form sent; what is no id names nothing (0)."""
    return [
        int(text) if text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID else 0
        for text in texts or ()
    ]


def _role_choices() -> list[tuple[str, str]]:
    return [
        (Role.MEMBER.value, _("Member")),
        (Role.BILLING_ADMIN.value, _("Billing admin")),
        (Role.ADMIN.value, _("Admin")),
    ]


class RoleForm(PortalForm):
    """One of the three roles."""

    role = RadioField(_l("Role"), validators=[InputRequired(_l("Choose a role."))])

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.role.choices = _role_choices()
        self.role.validate_choice = False

    @property
    def chosen(self) -> Role | None:
        """The role that was chosen, or None for something else."""
        return next((role for role in Role if role.value == self.role.data), None)


class InviteForm(RoleForm):
    """Who is invited, as what, in which language, and the licences that are kept for them."""

    email = EmailField(
        _l("E-mail address"),
        [InputRequired(_l("Enter the e-mail address.")), Length(max=254), email_address],
    )
    name = StringField(
        _l("Name"), [InputRequired(_l("Enter a name.")), DataRequired(_l("Enter a name."))]
    )
    locale = SelectField(_l("Language of the invitation"))
    licences = LicencesField(_l("Licences to keep for this person"))

    def __init__(self, offered: Sequence[Licence], locale: str) -> None:
        super().__init__(data={"role": Role.MEMBER.value, "locale": locale})
        self.locale.choices = list(LANGUAGE_NAMES.items())
        self.licences.offer(offered)


class ReactivateForm(PortalForm):
    """The licences somebody comes back with."""

    licences = LicencesField(_l("Licences"))

    def __init__(self, offered: Sequence[Licence]) -> None:
        first = [str(each.item_id) for each in offered if each.is_plan][:1]
        super().__init__(data={"licences": first})
        self.licences.offer(offered)


class FileForm(PortalForm):
    """A file of members."""

    file = FileField(_l("CSV file"))


class ConfirmForm(PortalForm):
    """The file that was previewed, packed, and the name of the plan that was shown."""

    content = HiddenField(validators=[Length(max=LONGEST_KEPT_FILE)])
    plan = HiddenField(validators=[Length(max=64)])
