"""E-mail addresses as people type them, brought to the one form in which they are stored."""

from __future__ import annotations

from portal.domain.errors import DomainError

__all__ = ["known_email", "normal_email"]


def normal_email(text: str) -> str:
    """`text` in lower case and normal form; spaces around it do not matter.

    Only the form is checked: no name server is asked. DomainError `email_malformed`.
    """
    # Imported here: most requests check no address, and a worker starts sooner without it.
    from email_validator import EmailNotValidError, validate_email

    try:
        # test_environment allows .test, where no mail ever arrives: people try things out there.
        checked = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise DomainError("email_malformed") from None
    return checked.normalized.lower()


def known_email(text: str) -> str:
    """The form under which a person of that address is stored, to look them up; raises nothing.

    What is no address is stripped and in lower case: it finds nobody, or who was written before
    the form was as strict.
    """
    try:
        return normal_email(text)
    except DomainError:
        return text.strip().lower()
