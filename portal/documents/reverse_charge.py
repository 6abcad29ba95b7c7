"""The words "Reverse charge" in the law's own languages, for customers who read another one.

Article 226(11a) of Directive 2006/112/EC asks for these very words, and each language of the
Union has its own. Country and language are independent: who books the invoice of a
German-speaking company in Italy, and who audits it, looks for "Inversione contabile".
They are the law's, not ours: no translation changes them.
"""

from __future__ import annotations

from portal.domain.tax import EU_COUNTRIES

__all__ = ["MENTIONS", "mention_for"]

MENTIONS = {
    "bg": "Обратно начисляване",
    "cs": "Daň odvede zákazník",
    "da": "Omvendt betalingspligt",
    "de": "Steuerschuldnerschaft des Leistungsempfängers",
    "el": "Αντίστροφη επιβάρυνση",
    "en": "Reverse charge",
    "es": "Inversión del sujeto pasivo",
    "et": "Pöördmaksustamine",
    "fi": "Käännetty verovelvollisuus",
    "fr": "Autoliquidation",
    "hr": "Prijenos porezne obveze",
    "hu": "Fordított adózás",
    "it": "Inversione contabile",
    "lt": "Atvirkštinis apmokestinimas",
    "lv": "Nodokļa apgrieztā maksāšana",
    "nl": "Btw verlegd",
    "pl": "Odwrotne obciążenie",
    "pt": "Autoliquidação",
    "ro": "Taxare inversă",
    "sk": "Prenesenie daňovej povinnosti",
    "sl": "Obrnjena davčna obveznost",
    "sv": "Omvänd betalningsskyldighet",
}
"""By language, as the Directive has them."""
# The official languages whose words an office there knows; Malta's other one is English.
_LANGUAGES = {
    "AT": ("de",), "BE": ("nl", "fr", "de"), "BG": ("bg",), "CY": ("el",), "CZ": ("cs",),
    "DE": ("de",), "DK": ("da",), "EE": ("et",), "ES": ("es",), "FI": ("fi", "sv"),
    "FR": ("fr",), "GR": ("el",), "HR": ("hr",), "HU": ("hu",), "IE": ("en",), "IT": ("it",),
    "LT": ("lt",), "LU": ("fr", "de"), "LV": ("lv",), "MT": ("en",), "NL": ("nl",),
    "PL": ("pl",), "PT": ("pt",), "RO": ("ro",), "SE": ("sv",), "SI": ("sl",), "SK": ("sk",),
}  # fmt: skip
assert _LANGUAGES.keys() == EU_COUNTRIES, "every country of the Union has its words"


def mention_for(country: str, locale: str) -> str:
    """The words in the languages of the buyer's country: `Inversione contabile` for IT.

    Empty where the document's own language is one of them, and outside the Union.
    """
    languages = _LANGUAGES.get(country, ())
    return "" if locale in languages else " / ".join(MENTIONS[each] for each in languages)
