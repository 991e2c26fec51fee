"""What is in each event: its meaning, an example of its payload, and its JSON Schema. Pure.

Receivers are written from these entries, and samples are made from them. A test makes sure that
they agree with `docs/schemas` and with what the demonstration sells.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from core.domain.events import MEANINGS, EventType
from core.domain.language import N_

Schema = dict[str, Any]

ALWAYS = N_('Always "{value}".')
"""Of a field that has but one value."""

_LINE_BREAK = re.compile(r"\n *")


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    event_type: EventType
    meaning: str
    example: str  # a payload as JSON over several lines, its amounts with all their digits
    schema: Schema  # of the payload, in JSON Schema 2020-12

    @property
    def sample(self) -> bytes:
        """The payload of a sample: the example, which begins by saying that it is only a sample."""
        members = _LINE_BREAK.sub("", self.example).removeprefix("{")
        return f'{{"sample": true,{members}'.encode()


def fields(schema: Schema, prefix: str = "") -> list[tuple[str, str]]:
    """Each field that the schema names, with what it holds, in order; `lignes[].produit` is one."""
    found = []
    for name, field in schema["properties"].items():
        found.append((f"{prefix}{name}", field["description"]))
        if "items" in field:
            found += fields(field["items"], f"{prefix}{name}[].")
    return found


def paths(event_types: Iterable[EventType]) -> list[str]:
    """The fields of any of these events that a condition can ask about: those outside of lists."""
    schemas = (CATALOGUE[each].schema for each in event_types if each in CATALOGUE)
    names = (name for schema in schemas for name, _ in fields(schema) if "[]" not in name)
    return list(dict.fromkeys(names))


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _whole(description: str, **more: Any) -> Schema:
    return {"type": "integer", "description": description, **more}


def _number(description: str, **more: Any) -> Schema:
    return {"type": "number", "description": description, **more}


def _object(required: str, **properties: Schema) -> Schema:
    return {"type": "object", "required": required.split(), "properties": properties}


def _payload(event_type: EventType, shape: Schema) -> Schema:
    """The whole document. A payload may hold more than it names: receivers pass over the rest."""
    sample = {"const": True, "description": N_("Only in a sample: nothing of this has happened.")}
    properties = {**shape["properties"], "sample": sample}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event_type,
        "description": f"The payload of {event_type}: {MEANINGS[event_type]}.",
        **shape,
        "properties": properties,
    }


def _ticket(statut: str) -> Schema:
    return _object(
        "id numero statut date lignes total_tvac",
        id=_whole(N_("The ticket's id in AuraPOS.")),
        numero=_text(N_("The number that is printed on the ticket.")),
        statut=_text(ALWAYS.format(value=statut), const=statut),
        date=_text(N_("When it was opened, in UTC."), format="date-time"),
        table=_whole(N_("The number of the table; absent for a sale over the counter.")),
        serveur=_text(N_("Who served.")),
        mode_paiement=_text(N_("How it was paid.")),
        lignes={"type": "array", "description": N_("What was sold."), "items": _LINE},
        total_tvac=_number(N_("What was paid, VAT included, in euros.")),
    )


_LINE = _object(
    "produit quantite total_tvac",
    produit=_text(N_("The product's name.")),
    quantite=_number(N_("How many.")),
    prix_unitaire_tvac=_number(N_("The price of one, VAT included, in euros.")),
    taux_tva=_number(N_("The rate of VAT, in percent.")),
    total_tvac=_number(N_("The price of all of them, VAT included, in euros.")),
)
_CLIENT = _object(
    "id nom",
    id=_whole(N_("The customer's id in AuraPOS.")),
    prenom=_text(N_("The first name.")),
    nom=_text(N_("The family name, or the company's.")),
    email=_text(N_("The e-mail address; absent where none is known."), format="email"),
    points_fidelite=_whole(N_("The points on the loyalty card.")),
)
_PRODUIT = _object(
    "id nom prix_tvac",
    id=_whole(N_("The product's id in AuraPOS.")),
    nom=_text(N_("The product's name.")),
    prix_tvac=_number(N_("The price, VAT included, in euros.")),
    taux_tva=_number(N_("The rate of VAT, in percent.")),
)
_PROMOTION = _object(
    "id nom",
    id=_whole(N_("The promotion's id in AuraPOS.")),
    nom=_text(N_("The promotion's name.")),
    debut=_text(N_("The first day."), format="date"),
    fin=_text(N_("The last day."), format="date"),
    remise_pct=_number(N_("The discount, in percent.")),
)

_A_TICKET = """\
{
  "statut": "valide",
  "id": 1234,
  "numero": "1234",
  "date": "2026-05-17T14:32:08.123Z",
  "table": 7,
  "serveur": "Léa",
  "mode_paiement": "Bancontact",
  "lignes": [
    {
      "produit": "Moules-frites",
      "quantite": 1,
      "prix_unitaire_tvac": 26.50,
      "taux_tva": 12,
      "total_tvac": 26.50
    },
    {
      "produit": "Croquettes aux crevettes",
      "quantite": 1,
      "prix_unitaire_tvac": 17.80,
      "taux_tva": 12,
      "total_tvac": 17.80
    },
    {
      "produit": "Café",
      "quantite": 3,
      "prix_unitaire_tvac": 3.60,
      "taux_tva": 12,
      "total_tvac": 10.80
    }
  ],
  "total_tvac": 55.10
}"""
_A_CLIENT = """\
{
  "id": 412,
  "prenom": "Amélie",
  "nom": "Dubois",
  "email": "amelie.dubois@example.com",
  "points_fidelite": 120
}"""
_A_PRODUIT = """\
{
  "id": 87,
  "nom": "Moules-frites",
  "prix_tvac": 26.50,
  "taux_tva": 12
}"""
_A_PROMOTION = """\
{
  "id": 15,
  "nom": "Menu du midi",
  "debut": "2026-05-18",
  "fin": "2026-05-24",
  "remise_pct": 10.00
}"""


def _entry(event_type: EventType, example: str, shape: Schema) -> CatalogueEntry:
    meaning, schema = MEANINGS[event_type], _payload(event_type, shape)
    return CatalogueEntry(event_type, meaning, example, schema)


_ENTRIES = (
    _entry(EventType.TICKET_CREATED, _A_TICKET, _ticket("valide")),
    _entry(EventType.TICKET_CANCELLED, _A_TICKET.replace("valide", "annule"), _ticket("annule")),
    _entry(EventType.CLIENT_CREATED, _A_CLIENT, _CLIENT),
    _entry(EventType.CLIENT_UPDATED, _A_CLIENT.replace("120", "130"), _CLIENT),
    _entry(EventType.PRODUIT_UPDATED, _A_PRODUIT, _PRODUIT),
    _entry(EventType.PROMOTION_CREATED, _A_PROMOTION, _PROMOTION),
    _entry(EventType.PROMOTION_UPDATED, _A_PROMOTION.replace("24", "31"), _PROMOTION),
)

CATALOGUE: Mapping[EventType, CatalogueEntry] = {each.event_type: each for each in _ENTRIES}
"""An entry for each event that an owner can select, in the order of the product's page."""
