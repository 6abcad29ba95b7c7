"""Six customers that look real and are not: .example domains, made-up numbers that pass checks."""

from __future__ import annotations

from portal.demo.people import OFFICINE_MEMBERS
from portal.demo.plans import (
    AddOnPlan,
    AutoTopUpPlan,
    CustomerPlan,
    MemberPlan,
    MessagePlan,
    MethodPlan,
    PackagePlan,
    QuotePlan,
    ReductionPlan,
    RequestPlan,
    SeatOrderPlan,
    SubscriptionPlan,
    TopUpPlan,
)
from portal.demo.wallets import weekly_use
from portal.domain.periods import Interval

__all__ = ["CUSTOMERS"]

_SOFIE = "sofie.maes@boekhoud-maes.example"

ATELIER = CustomerPlan(
    key="atelier-noordzee",
    name="Atelier Noordzee BV",
    locale="nl",
    time_zone="Europe/Brussels",
    address_line1="Zeedijk 114",
    postal_code="8400",
    city="Oostende",
    country="BE",
    vat_number="BE0940180319",
    vat_status="valid",
    billing_email="boekhouding@atelier-noordzee.example",
    method=MethodPlan("card", "visa", "4242", years=3, month=8),
    members=(
        MemberPlan("Lotte Verbeke", "lotte.verbeke@atelier-noordzee.example", "en", "admin", 525),
        MemberPlan("Pieter Claes", "pieter.claes@atelier-noordzee.example", "nl", "admin", 518),
        MemberPlan("An Declercq", "an.declercq@atelier-noordzee.example", "nl", "billing_admin", 518),
        MemberPlan("Jonas Wittevrongel", "jonas.wittevrongel@atelier-noordzee.example", "nl", days_ago=515),
        MemberPlan("Fatima El Amrani", "fatima.elamrani@atelier-noordzee.example", "fr", days_ago=470),
        MemberPlan("Bram Vandenbussche", "bram.vandenbussche@atelier-noordzee.example", "nl", days_ago=410),
        MemberPlan("Eline Goossens", "eline.goossens@atelier-noordzee.example", "nl", days_ago=333),
        MemberPlan("Thomas Lefevre", "thomas.lefevre@atelier-noordzee.example", "fr", days_ago=260),
        MemberPlan("Noor Bakker", "noor.bakker@atelier-noordzee.example", "nl", days_ago=121),
        MemberPlan("Milan Dhaenens", "milan.dhaenens@atelier-noordzee.example", "nl", days_ago=2, status="invited"),
        MemberPlan("Sofie Maes", _SOFIE, "nl", "billing_admin", 300),
        MemberPlan("Karel Ostyn", "karel.ostyn@atelier-noordzee.example", "nl", days_ago=500, status="deactivated"),
    ),
    subscriptions=(
        SubscriptionPlan(
            "crm", "pro", 12, 10, renews_in=32, interval=Interval.QUARTER, periods=6,
            add_ons=(AddOnPlan("appointments", "beyond", 3, 2), AddOnPlan("data-vault", "standard")),
            orders=(SeatOrderPlan(135, 2), SeatOrderPlan(40, 1)),
        ),
    ),
    top_ups=(TopUpPlan(366, "medium"), TopUpPlan(44, "small")),
    usages=(*weekly_use("data-lookup", 5), *weekly_use("sms", 12), *weekly_use("letter", 2)),
    messages=(
        MessagePlan(
            12,
            "Appointments on our website",
            "Can customers book appointments in French, too?\nWe open a second shop in Lille in spring.",
            "Yes: each booking page has its own language. Add a page in French under Appointments, Booking pages.",
        ),
    ),
    quotes=(
        QuotePlan(88, (("crm", 5),), "Vijf licenties erbij voor het filiaal in Brugge.",
                  declined_days_ago=80, decline_reason="De opening is een jaar uitgesteld."),
    ),
)  # fmt: skip

MUELLER = CustomerPlan(
    key="mueller-soehne",
    name="Müller & Söhne Werkzeugbau GmbH",
    locale="de",
    time_zone="Europe/Berlin",
    address_line1="Lindenweg 27",
    address_line2="Halle 3",
    postal_code="70565",
    city="Stuttgart",
    country="DE",
    vat_number="DE299180232",
    vat_status="valid",
    billing_email="rechnungen@mueller-soehne.example",
    purchase_order="BE-4711",
    method=MethodPlan("sepa_debit", "Stadtbank Stuttgart", "3000"),
    members=(
        MemberPlan("Katrin Müller", "katrin.mueller@mueller-soehne.example", "de", "admin", 240),
        MemberPlan("Jürgen Brandt", "juergen.brandt@mueller-soehne.example", "de", "billing_admin", 238),
        MemberPlan("Ayşe Yılmaz", "ayse.yilmaz@mueller-soehne.example", "de", days_ago=236),
        MemberPlan("Stefan Krüger", "stefan.krueger@mueller-soehne.example", "de", days_ago=236),
        MemberPlan("Miriam Vogt", "miriam.vogt@mueller-soehne.example", "de", days_ago=190),
        MemberPlan("Lukas Weiß", "lukas.weiss@mueller-soehne.example", "de", days_ago=160),
        MemberPlan("Hannah Seidel", "hannah.seidel@mueller-soehne.example", "de", days_ago=122),
        MemberPlan("Oliver Kranz", "oliver.kranz@mueller-soehne.example", "de", days_ago=99),
        MemberPlan("Paula Engelhardt", "paula.engelhardt@mueller-soehne.example", "de", days_ago=64),
        MemberPlan("Deniz Aydın", "deniz.aydin@mueller-soehne.example", "de", days_ago=30),
    ),
    subscriptions=(
        SubscriptionPlan(
            "crm", "pro", 12, 10, renews_in=9, interval=Interval.MONTH, periods=8,
            add_ons=(AddOnPlan("appointments", "basic", 4, 4),),
            orders=(SeatOrderPlan(99, 2),),
        ),
    ),
)  # fmt: skip

LUMIERE = CustomerPlan(
    key="lumiere-conseil",
    name="Lumière Conseil SAS",
    locale="fr",
    time_zone="Europe/Paris",
    payment_terms="bank_transfer",
    address_line1="18 rue des Tanneurs",
    postal_code="69002",
    city="Lyon",
    country="FR",
    vat_number="FR03911402006",
    vat_status="valid",
    billing_email="compta@lumiere-conseil.example",
    purchase_order="BC-2231",
    has_executive=True,
    members=(
        MemberPlan("Camille Roussel", "camille.roussel@lumiere-conseil.example", "fr", "admin", 640),
        MemberPlan("Antoine Girard", "antoine.girard@lumiere-conseil.example", "fr", "billing_admin", 640),
        MemberPlan("Nadia Benali", "nadia.benali@lumiere-conseil.example", "fr", days_ago=636),
        MemberPlan("Mathieu Perrin", "mathieu.perrin@lumiere-conseil.example", "fr", days_ago=636),
        MemberPlan("Chloé Marchand", "chloe.marchand@lumiere-conseil.example", "fr", days_ago=500),
        MemberPlan("Youssef Karim", "youssef.karim@lumiere-conseil.example", "fr", days_ago=420),
        MemberPlan("Élodie Faure", "elodie.faure@lumiere-conseil.example", "fr", days_ago=300),
        MemberPlan("Sofie Maes", _SOFIE, "nl", "billing_admin", 280),
    ),
    subscriptions=(
        SubscriptionPlan("crm", "enterprise", 9, 7, renews_in=96, interval=Interval.YEAR, periods=2),
        SubscriptionPlan("sign", "essential", 4, 3, renews_in=96, interval=Interval.YEAR, periods=2),
    ),
    requests=(
        RequestPlan(46, "Nos factures doivent désormais porter le nom de notre service achats.",
                    "C’est fait : la prochaine facture le portera.", done=True),
        RequestPlan(4, "Trois collègues rejoignent l’équipe de Lille le mois prochain.",
                    "Merci ! Je prépare le devis et vous l’envoie cette semaine.",
                    product="crm", quantity=3, purchase_order="BC-2240"),
    ),
)  # fmt: skip

OFFICINE = CustomerPlan(
    key="officine-valdarno",
    name="Officine Valdarno S.p.A.",
    locale="it",
    time_zone="Europe/Rome",
    address_line1="Via dei Fabbri 61",
    postal_code="50063",
    city="Figline e Incisa Valdarno",
    country="IT",
    vat_number="IT12840170018",
    vat_status="valid",
    billing_email="amministrazione@officine-valdarno.example",
    purchase_order="OA-2209/26",
    has_executive=True,
    method=MethodPlan("card", "mastercard", "4444", years=2, month=3),
    members=OFFICINE_MEMBERS,
    subscriptions=(
        SubscriptionPlan("crm", "enterprise", 45, 41, renews_in=137, interval=Interval.YEAR, periods=2,
                         add_ons=(AddOnPlan("appointments", "beyond", 12, 9), AddOnPlan("data-vault", "standard")),
                         orders=(SeatOrderPlan(180, 5),)),
        SubscriptionPlan("desk", "business", 18, 16, renews_in=20, interval=Interval.MONTH, periods=10),
        SubscriptionPlan("forms", "standard", 60, 58, renews_in=210, interval=Interval.YEAR, periods=1),
        SubscriptionPlan("insights", "analyst", 6, 6, renews_in=75, interval=Interval.QUARTER, periods=3),
        SubscriptionPlan("sign", "professional", 12, 8, renews_in=20, interval=Interval.MONTH, periods=5),
    ),
    top_ups=(TopUpPlan(367, "medium"),),
    usages=(*weekly_use("data-lookup", 20), *weekly_use("sms", 30), *weekly_use("letter", 8)),
    auto_top_up=AutoTopUpPlan(340, 200, "medium", 540_00),
    quotes=(
        QuotePlan(3, (("crm", 5), ("desk", 2)),
                  "Come d’accordo: cinque licenze CRM e due Desk per la nuova sede di Arezzo, con il 10% di sconto.",
                  discount_basis_points=1000),
    ),
    reductions=(ReductionPlan(4, "sign", 7),),
    messages=(
        MessagePlan(
            30,
            "Fatture per la sede di Arezzo",
            "Possiamo ricevere le fatture anche all’indirizzo della nuova sede?",
            "Certo: in Fatturazione, Dati di fatturazione, può aggiungere altri destinatari.",
        ),
    ),
    packages=(
        PackagePlan(
            8,
            "done-for-you",
            "La nuova sede di Arezzo comincia a gennaio, con circa 4.000 contatti da importare.",
            "Il nostro partner di Firenze è disponibile dall’11 gennaio.",
        ),
    ),
)  # fmt: skip

BRIGHTWATER = CustomerPlan(
    key="brightwater-studio",
    name="Brightwater Studio Ltd",
    locale="en",
    time_zone="Europe/London",
    currency="GBP",
    address_line1="5 Quayside Mews",
    postal_code="BS1 4XX",
    city="Bristol",
    country="GB",
    vat_number="GB987400004",
    vat_status="unchecked",
    billing_email="accounts@brightwater.example",
    members=(
        MemberPlan("Amelia Hart", "amelia.hart@brightwater.example", "en", "admin", 8),  # codespell:ignore hart
        MemberPlan("Owen Price", "owen.price@brightwater.example", "en", days_ago=8),
        MemberPlan("Priya Nair", "priya.nair@brightwater.example", "en", days_ago=6),
        MemberPlan("Callum Reid", "callum.reid@brightwater.example", "en", days_ago=1, status="invited"),
    ),
    subscriptions=(
        SubscriptionPlan("crm", "pro", 5, 4, renews_in=6, interval=None,
                         add_ons=(AddOnPlan("appointments", "basic", 2, 1),)),
    ),
)  # fmt: skip

KETTING = CustomerPlan(
    key="de-ketting",
    name="Rijwielhandel De Ketting V.O.F.",
    locale="nl",
    time_zone="Europe/Amsterdam",
    address_line1="Oudegracht 309",
    postal_code="3511 PB",
    city="Utrecht",
    country="NL",
    vat_number=None,
    vat_status="none",
    billing_email="administratie@de-ketting.example",
    members=(
        MemberPlan("Sanne Dijkstra", "sanne.dijkstra@de-ketting.example", "nl", "admin", 19),
        MemberPlan("Ruben Visser", "ruben.visser@de-ketting.example", "nl", days_ago=18),
    ),
    subscriptions=(SubscriptionPlan("crm", "start", 3, 2, renews_in=-4, interval=None),),
)  # fmt: skip

CUSTOMERS = (ATELIER, MUELLER, LUMIERE, OFFICINE, BRIGHTWATER, KETTING)
