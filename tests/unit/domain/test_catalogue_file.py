"""The catalogue file: the demo's is right, and every mistake is named with place and line."""

from __future__ import annotations

import tomllib
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portal.demo import demo_catalogue_text
from portal.domain.catalogue import (
    LOCALES,
    Catalogue,
    Charge,
    DeliveredBy,
    LocalizedText,
    TrialPaidStart,
)
from portal.domain.catalogue_checks import check_colour, read_amount
from portal.domain.catalogue_file import CatalogueMistakes, Mistake, parse_catalogue
from portal.domain.catalogue_lines import LineIndex
from portal.domain.money import Money
from portal.domain.periods import Interval

DEMO = demo_catalogue_text()
PRO = "[products.crm.plans.pro]"
PRO_EUR = 'prices.EUR = { month = "27.00", quarter = "75.00", year = "285.00" }'
IT_HOURS = next(line for line in DEMO.splitlines() if line.startswith("hours.it = "))


@cache
def demo() -> Catalogue:
    return parse_catalogue(DEMO)


def mistakes_in(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(CatalogueMistakes) as caught:
        parse_catalogue(text)
    return caught.value.mistakes


def replaced(old: str, new: str) -> str:
    assert old in DEMO, f"the demo no longer says {old!r}"
    return DEMO.replace(old, new, 1)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


# --- the demo -----------------------------------------------------------------------------------


def test_the_demo_has_its_vendor_and_policy() -> None:
    vendor, policy = demo().vendor, demo().policy
    assert (vendor.brand, vendor.accent, vendor.oss) == ("Kanto", "#2855d9", True)
    assert vendor.vat_number == "BE0950143209"
    assert vendor.bank.iban == "BE68539007547034"
    assert vendor.time_zone == "Europe/Brussels"
    assert policy.change_notice_days == 15
    assert policy.dunning.retry_days == (2, 7, 14, 21)
    assert policy.dunning.suspend_on_day == 21
    assert policy.trial_paid_start is TrialPaidStart.TRIAL_END


def test_the_demo_has_its_products_and_prices() -> None:
    assert [p.key for p in demo().products] == ["crm", "desk", "forms", "insights", "sign"]
    pro = demo().plan("crm", "pro")
    assert pro.prices.get(Interval.QUARTER, "EUR") == Money(7500, "EUR")
    assert pro.prices.get(Interval.YEAR, "USD") is None
    assert pro.prices.currencies == ("EUR", "GBP", "CHF")
    assert demo().plan("insights", "viewer").prices.intervals("EUR") == (
        Interval.QUARTER,
        Interval.YEAR,
    )
    beyond = demo().package("crm", "appointments", "beyond")
    assert beyond.prices.get(Interval.QUARTER, "EUR") == Money(2500, "EUR")
    assert [p.credits for p in demo().credit_packs] == [500, 2000, 10000]
    assert demo().credit_pack("medium").prices.get("EUR") == Money(18000, "EUR")
    assert demo().usage_price("letter").credits == 4
    assert len(demo().service_packages) == 4
    assert demo().service_package("done-for-you").delivered_by is DeliveredBy.PARTNER


def test_an_add_on_without_named_packages_has_one_of_its_own_name() -> None:
    vault = demo().add_on("crm", "data-vault")
    assert vault.charge is Charge.FLAT
    assert not vault.has_named_packages
    assert vault.label("standard", "de") == "Datentresor"
    assert demo().add_on("crm", "appointments").label("beyond", "de") == "Kundentermine Beyond"


def test_plans_inherit_why_customers_cannot_add_seats() -> None:
    analyst = demo().plan("insights", "analyst")
    assert not analyst.self_service
    assert analyst.self_service_reason is not None
    assert "extra support" in analyst.self_service_reason.en
    assert demo().plan("crm", "pro").self_service_reason is None


def test_features_have_a_value_for_each_plan() -> None:
    features = {f.key: f for f in demo().product("crm").features}
    assert features["automation"].value("start") is False
    assert features["storage"].value("pro") == 20
    assert features["storage"].unit is not None
    assert features["storage"].unit.in_("fr") == "Go"
    unlimited = features["contacts"].value("enterprise")
    assert isinstance(unlimited, LocalizedText)
    assert unlimited.in_("de") == "Unbegrenzt"


def test_lookups_say_what_there_is() -> None:
    with pytest.raises(KeyError, match=r"no plan 'gold' in product 'crm' \(there: start, pro"):
        demo().plan("crm", "gold")
    with pytest.raises(KeyError, match="no product 'erp' in the catalogue"):
        demo().package("erp", "appointments", "basic")


def test_a_catalogue_can_be_hashed_and_compared() -> None:
    again = parse_catalogue(DEMO)
    assert again == demo()
    assert hash(again) == hash(demo())


def test_windows_line_ends_and_comments_change_nothing() -> None:
    assert parse_catalogue(DEMO.replace("\n", "\r\n")) == demo()


@pytest.mark.parametrize(
    ("locale", "text"),
    [("nl", "twee"), ("nl_BE", "twee"), ("fr-CH", "deux"), ("es", "two"), ("", "two")],
)
def test_a_text_is_found_by_locale_with_english_for_the_rest(locale: str, text: str) -> None:
    assert LocalizedText("two", "twee", "deux", "due", "zwei").in_(locale) == text


def test_what_is_retired_keeps_its_name_and_is_not_offered() -> None:
    catalogue = parse_catalogue(replaced(PRO, f"{PRO}\nretired = true"))
    assert catalogue.plan("crm", "pro").name.en == "Pro"
    offered = [plan.key for plan in catalogue.product("crm").offered_plans]
    assert offered == ["start", "enterprise"]
    whole = parse_catalogue(replaced("[products.forms]", "[products.forms]\nretired = true"))
    assert "forms" not in [product.key for product in whole.offered_products]
    basic = "[products.crm.add_ons.appointments.packages.basic]"
    package = parse_catalogue(replaced(basic, f"{basic}\nretired = true"))
    add_on = package.add_on("crm", "appointments")
    assert [p.key for p in add_on.offered_packages] == ["beyond"]


def test_what_is_retired_needs_no_prices() -> None:
    catalogue = parse_catalogue(
        replaced(
            "[credit_packs.small]\ncredits = 500\nprices = "
            '{ EUR = "50.00", GBP = "43.00", CHF = "49.00" }',
            "[credit_packs.small]\ncredits = 500\nretired = true",
        )
    )
    assert [p.key for p in catalogue.offered_credit_packs] == ["medium", "large"]
    assert catalogue.credit_pack("small").prices.get("EUR") is None


def test_policy_has_defaults() -> None:
    start, end = DEMO.index("[policy]"), DEMO.index("# --- words that")
    assert parse_catalogue(DEMO[:start] + DEMO[end:]).policy == demo().policy


# --- one mistake each: the path, the code, and the line on which the new words stand --------------

MISTAKES = [
    # (what the demo says, what the mistake says, path, code,
    #  where: lines after the first of the old words, or a text that stands once)
    ('accent = "#2855d9"', 'accent = "blue"', "vendor.accent", "bad_colour", 0),
    ('accent = "#2855d9"', 'accent = "#7fa0ff"', "vendor.accent", "low_contrast", 0),
    ("0950.143.209", "0950.143.208", "vendor.vat_number", "bad_vat_number", 0),
    ('country = "BE"', 'country = "NL"', "vendor.vat_number", "vat_country", "vat_number ="),
    ('country = "BE"', 'country = "Belgium"', "vendor.address.country", "bad_country", 0),
    ("BE68 5390", "BE68 5391", "vendor.bank.iban", "bad_iban", 0),
    ("NOBKBEBB", "NOBK", "vendor.bank.bic", "bad_bic", 0),
    ("Europe/Brussels", "Europe/Brusels", "vendor.time_zone", "bad_time_zone", 0),
    (
        'invoice_prefix = "KAN"',
        'invoice_prefix = "k/"',
        "vendor.invoice_prefix",
        "bad_prefix",
        0,
    ),
    ("# logo = ", 'logo = "../x.exe" # ', "vendor.logo", "bad_logo", 0),
    ("oss = true", 'oss = "yes"', "vendor.oss", "wrong_type", 0),
    ('brand = "Kanto"', 'brand = " Kanto"', "vendor.brand", "bad_text", 0),
    ('brand = "Kanto"', 'brand = ""', "vendor.brand", "empty", 0),
    ('brand = "Kanto"\n', "", "vendor.brand", "missing", "[vendor]"),
    ("support@kanto", "support.kanto", "vendor.support.email", "bad_email", 0),
    ("+32 59 00 01 40", "059/000140", "vendor.support.phone", "bad_phone", 0),
    (f"{IT_HOURS}\n", "", "vendor.support.hours.it", "missing_language", "hours.en"),
    (IT_HOURS, 'hours.it = ""', "vendor.support.hours.it", "empty", 0),
    (IT_HOURS, f'{IT_HOURS}\nhours.es = "…"', "vendor.support.hours.es", "unknown_key", "hours.es"),
    (
        "quote_validity_days = 30",
        "quote_validity_days = 0",
        "policy.quote_validity_days",
        "out_of_range",
        0,
    ),
    (
        "change_notice_days = 15 ",
        "change_notice_days = 40 ",
        "policy.change_notice_days",
        "out_of_range",
        0,
    ),
    (
        "invoice_due_days = 30",
        "invoice_due_days = true",
        "policy.invoice_due_days",
        "wrong_type",
        0,
    ),
    ('"trial_end" ', '"trial-end" ', "policy.trial_paid_start", "bad_choice", 0),
    ("[2, 7, 14, 21]", "[2, 7, 7, 21]", "policy.dunning.retry_days.2", "not_rising", 0),
    ("[2, 7, 14, 21]", "[2, 7.5, 21]", "policy.dunning.retry_days.1", "wrong_type", 0),
    ("[2, 7, 14, 21]", "[\n 2,\n 777\n]", "policy.dunning.retry_days.1", "out_of_range", 2),
    (
        "suspend_on_day = 21",
        "suspend_on_day = 20",
        "policy.dunning.suspend_on_day",
        "out_of_range",
        0,
    ),
    (
        PRO_EUR,
        PRO_EUR.replace('"75.00"', "75.00"),
        "products.crm.plans.pro.prices.EUR.quarter",
        "float_price",
        0,
    ),
    (
        PRO_EUR,
        PRO_EUR.replace('"75.00"', '"75,00"'),
        "products.crm.plans.pro.prices.EUR.quarter",
        "bad_price",
        0,
    ),
    (
        PRO_EUR,
        PRO_EUR.replace('"75.00"', '"75.5"'),
        "products.crm.plans.pro.prices.EUR.quarter",
        "bad_price",
        0,
    ),
    (
        PRO_EUR,
        PRO_EUR.replace('"75.00"', "75"),
        "products.crm.plans.pro.prices.EUR.quarter",
        "wrong_type",
        0,
    ),
    (
        PRO_EUR,
        PRO_EUR.replace("quarter", "quarterly"),
        "products.crm.plans.pro.prices.EUR.quarterly",
        "unknown_key",
        0,
    ),
    (
        PRO_EUR,
        PRO_EUR.replace("EUR", "EURO"),
        "products.crm.plans.pro.prices.EURO",
        "bad_currency",
        0,
    ),
    (PRO_EUR, "prices.EUR = {}", "products.crm.plans.pro.prices.EUR", "missing", 0),
    (
        f"{PRO}\nrank = 2",
        f"{PRO}\nrank = 1",
        "products.crm.plans.pro.rank",
        "duplicate",
        1,
    ),
    (f"{PRO}\nrank = 2", PRO, "products.crm.plans.pro.rank", "missing", PRO),
    (
        "\ntier = 2",
        "\ntier = 1",
        "products.crm.add_ons.appointments.packages.beyond.tier",
        "duplicate",
        1,
    ),
    (
        'charge = "flat"',
        'charge = "flatt"',
        "products.crm.add_ons.data-vault.charge",
        "bad_choice",
        0,
    ),
    (
        "https://chat.kanto.example/crm",
        "http://chat.kanto.example/crm",
        "products.crm.chat_url",
        "bad_url",
        0,
    ),
    ("https://chat.kanto.example/crm", "https://[::1", "products.crm.chat_url", "bad_url", 0),
    (
        "values = { start = 1, pro = 10,",
        "values = { start = 1, pro = 1.5,",
        "products.crm.features.pipelines.values.pro",
        "wrong_type",
        0,
    ),
    (
        "values = { start = 1, pro = 10,",
        "values = { start = 1, prof = 10, pro = 10,",
        "products.crm.features.pipelines.values.prof",
        "unknown_key",
        0,
    ),
    (
        "values = { start = 1, pro = 10,",
        "values = { start = 1,",
        "products.crm.features.pipelines.values.pro",
        "missing",
        0,
    ),
    (
        "values = { start = 1, pro = 10,",
        'values = { start = 1, pro = "unlimitedd",',
        "products.crm.features.pipelines.values.pro",
        "unknown_word",
        0,
    ),
    (
        "[credit_packs.small]",
        "[credit_packs.Small_pack]",
        "credit_packs.Small_pack",
        "bad_key",
        0,
    ),
    ("credits = 500\n", 'credits = "500"\n', "credit_packs.small.credits", "wrong_type", 0),
    (
        "included = true",
        'included = true\nprices.EUR = "0.00"',
        "service_packages.do-it-yourself.prices",
        "contradiction",
        'prices.EUR = "0',
    ),
    (
        "self_service = false\n",
        "",
        "products.insights.self_service_reason",
        "contradiction",
        "self_service_reason.en",
    ),
    (
        PRO,
        f"{PRO}\nself_service = false",
        "products.crm.plans.pro.self_service_reason",
        "missing",
        PRO,
    ),
    (
        PRO,
        f'{PRO}\nname.en = "Pro"',
        "products.crm.plans.pro.name.en",
        "duplicate",
        'name.en = "Pro"',
    ),
    (PRO, f"{PRO}\nprise = 1", "products.crm.plans.pro.prise", "unknown_key", 1),
    ("[policy]", "[policies]\n[policy]", "policies", "unknown_key", "[policies]"),
]


@pytest.mark.parametrize(("old", "new", "path", "code", "where"), MISTAKES)
def test_a_mistake_is_named_with_its_place_and_line(
    old: str, new: str, path: str, code: str, where: int | str
) -> None:
    text = replaced(old, new)
    if isinstance(where, str):
        assert text.count(where) == 1
        line = line_of(text, where)
    else:
        line = line_of(DEMO, old) + where
    found = mistakes_in(text)
    assert [(m.path, m.code, m.line) for m in found] == [(path, code, line)]
    assert found[0].message.endswith((".", "?"))


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("accent = ", "accentt = ", 'Did you mean "accent"?'),
        ("Europe/Brussels", "Europe/Brusels", 'Did you mean "Europe/Brussels"?'),
        ('"unlimited" }', '"unlimitedd" }', 'Did you mean "unlimited"?'),
    ],
)
def test_a_slip_of_the_pen_gets_a_suggestion(old: str, new: str, hint: str) -> None:
    assert hint in " ".join(m.message for m in mistakes_in(replaced(old, new)))


def test_a_float_price_is_refused_with_its_reason() -> None:
    (mistake,) = mistakes_in(replaced('quarter = "75.00"', "quarter = 75.00"))
    assert mistake.code == "float_price"
    assert '"75.00"' in mistake.message
    assert str(mistake).startswith(f"line {mistake.line}: products.crm.plans.pro.prices.EUR.quart")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = replaced('accent = "#2855d9"', 'accent = "#fff"')
    text = text.replace("[2, 7, 14, 21]", "[7, 2]", 1)
    text = text.replace('month = "27.00"', "month = 27.0", 1)
    text = text.replace("credits = 10000", "credits = -1", 1)
    found = mistakes_in(text)
    assert [(m.path, m.line) for m in found] == [
        ("vendor.accent", line_of(text, '"#fff"')),
        ("policy.dunning.retry_days.1", line_of(text, "[7, 2]")),
        ("products.crm.plans.pro.prices.EUR.month", line_of(text, "month = 27.0")),
        ("credit_packs.large.credits", line_of(text, "credits = -1")),
    ]


def test_an_add_on_has_packages_or_prices() -> None:
    text = replaced('charge = "flat"', 'charge = "flat"\npackages = {}')
    assert [(m.path, m.code) for m in mistakes_in(text)] == [
        ("products.crm.add_ons.data-vault.packages", "missing"),
        ("products.crm.add_ons.data-vault.prices", "contradiction"),
    ]


def test_a_missing_table_is_one_mistake() -> None:
    start, end = DEMO.index("[vendor.bank]"), DEMO.index("[vendor.support]")
    (mistake,) = mistakes_in(DEMO[:start] + DEMO[end:])
    assert (mistake.path, mistake.code) == ("vendor.bank", "missing")


def test_an_empty_file_lacks_a_vendor_and_products() -> None:
    assert [(m.path, m.code, m.line) for m in mistakes_in("")] == [
        ("products", "missing", None),
        ("vendor", "missing", None),
    ]


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("a = 1\nb = = 2\n", 2, "syntax"),
        ("a = 1\n\n[b\n", 3, "syntax"),
        ('a = 1\nb = "open', 2, "syntax"),
        ("a = 1\na = 2\n", 2, "duplicate"),
        ("[a]\n\n[a]\n", 3, "duplicate"),
        ("a = { b = 1, b = 2 }\n", 1, "duplicate"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(text: str, line: int, code: str) -> None:
    (mistake,) = mistakes_in(text)
    assert (mistake.line, mistake.code) == (line, code)


def test_a_text_in_a_language_that_is_also_given_for_all_is_a_mistake() -> None:
    (mistake,) = mistakes_in(replaced(f"{PRO}\n", f'{PRO}\nname.nl = "Pro"\n'))
    assert mistake.path == "products.crm.plans.pro.name.nl"


# --- the parts ------------------------------------------------------------------------------------


def test_amounts_are_exact_and_have_the_decimals_of_the_currency() -> None:
    assert read_amount("0.29", "EUR") == 29
    assert read_amount("75", "EUR") == 7500
    assert read_amount("1200", "JPY") == 1200
    assert read_amount("1.234", "KWD") == 1234
    for text in ("1.2", "1.234", "-1.00", "+1.00", "1 000.00", "", ".50", "1.", "€1.00", "٣.٠٠"):
        assert not isinstance(read_amount(text, "EUR"), int)
    assert not isinstance(read_amount("1.00", "JPY"), int)


@given(st.integers(0, 10**11 - 1))
def test_every_amount_is_read_back(minor: int) -> None:
    assert read_amount(f"{minor // 100}.{minor % 100:02}", "EUR") == minor


def test_the_least_contrast_is_four_and_a_half() -> None:
    assert check_colour("#767676") is None  # 4.54 to 1
    assert check_colour("#777777") is not None  # 4.48 to 1
    assert check_colour("#ffffff") is not None
    assert check_colour("#000000") is None


def test_lines_are_found_in_every_way_to_write_a_table() -> None:
    index = LineIndex(
        "top = 1\n"
        "[a.'b c']  # [not.this]\n"
        'x."y.z" = """\n[no]\nk = 1\n""""  # two more quotes: text that ends in one\n'
        "list = [\n  1, # one\n  { k = 2 },\n]\n"
        "when = 1979-05-27 07:32:00\n"
        "[[many]]\nn = 1\n"
        "[[many]]\nn = 2\n"
        "[many.deep]\nq = 1.5\n"
    )
    assert index.line(("top",)) == 1
    assert index.line(("a", "b c")) == 2
    assert index.line(("a", "b c", "x", "y.z")) == 3
    assert index.line(("a", "b c", "list", "0")) == 8
    assert index.line(("a", "b c", "list", "1", "k")) == 9
    assert index.line(("a", "b c", "when")) == 11
    assert index.line(("many", "0", "n")) == 13
    assert index.line(("many", "1", "n")) == 15
    assert index.line(("many", "1", "deep", "q")) == 17
    assert index.line(("many", "1", "absent", "x")) == 14
    assert index.line(("no",)) is None


def test_every_key_of_the_demo_is_found_on_a_line_that_names_it() -> None:
    index = LineIndex(DEMO)
    lines = DEMO.split("\n")

    def look(table: dict[str, object], place: tuple[str, ...]) -> int:
        seen = 0
        for key, value in table.items():
            line = index.line((*place, key))
            assert line is not None
            assert key in lines[line - 1]
            seen += 1 + (look(value, (*place, key)) if isinstance(value, dict) else 0)
        return seen

    assert look(tomllib.loads(DEMO), ()) > 600


# --- nothing but CatalogueMistakes ------------------------------------------------------------------

_KEYS = st.sampled_from(
    ["vendor", "policy", "products", "crm", "plans", "prices", "EUR", "name", "all", "en", "words"]
)
_VALUES = st.sampled_from(
    [
        *("1", "-1", "1.5", "nan", "inf", "true", '""', '"x"', '"Europe"', '"../x"', '"\\u0000"'),
        *("[]", "[1, [2]]", "[{}]", "{}", "{ a = 1 }", "1979-05-27", "07:32:00", "9" * 400),
        "'''\n'''",
    ]
)
_LINES = DEMO.split("\n")


def only_mistakes(text: str) -> None:
    last = text.count("\n") + 1
    try:
        catalogue = parse_catalogue(text)
    except CatalogueMistakes as caught:
        lines = [mistake.line for mistake in caught.mistakes]
    else:
        lines = [1]
        assert all(catalogue.vendor.support.hours.in_(locale) for locale in LOCALES)
    assert lines
    assert all(line is None or 1 <= line <= last for line in lines)


@settings(deadline=None)
@given(st.text())
def test_any_text_raises_nothing_else(text: str) -> None:
    only_mistakes(text)


@settings(deadline=None)
@given(st.lists(st.tuples(st.lists(_KEYS, min_size=1, max_size=5), _VALUES), max_size=8))
def test_any_tables_raise_nothing_else(pairs: list[tuple[list[str], str]]) -> None:
    only_mistakes("\n".join(f"{'.'.join(keys)} = {value}" for keys, value in pairs))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_spoiled_demo_raises_nothing_else(data: st.DataObject) -> None:
    lines = list(_LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        key, equals, _ = lines[at].partition(" = ")
        if equals and data.draw(st.booleans()):
            lines[at] = f"{key} = {data.draw(_VALUES)}"
        else:
            del lines[at : at + data.draw(st.integers(1, 30))]
    only_mistakes("\n".join(lines))


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["accent", "vat_number", "time_zone", "logo", "iban", "bic", "email"]),
    st.text(),
)
def test_any_text_for_a_checked_value_raises_nothing_else(key: str, value: str) -> None:
    spoiled = value.replace("'", "").replace("\n", "").replace("\r", "")
    only_mistakes(
        "\n".join(
            f"{key} = '{spoiled}'" if line.startswith(f"{key} = ") else line for line in _LINES
        )
    )


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "9" * 10_000, "\ud800 = 1"])
def test_extremes_raise_nothing_else(text: str) -> None:
    only_mistakes(text)
