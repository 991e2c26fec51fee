"""A restaurant's day as the registers push it: tickets, customers, products, promotions."""

import random
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from core.domain.signing import wire_time

_MENU = (
    ("Moules-frites", "26.50", 12),
    ("Carbonnade flamande", "22.00", 12),
    ("Vol-au-vent", "21.90", 12),
    ("Croquettes aux crevettes", "17.80", 12),
    ("Dame blanche", "9.50", 12),
    ("Crème brûlée", "8.90", 12),
    ("Café", "2.90", 12),
    ("Orval 33 cl", "5.80", 21),
    ("Verre de Sancerre", "7.40", 21),
    ("Eau plate 50 cl", "5.20", 21),
)
_PAYMENTS = ("carte", "carte", "carte", "espèces", "titres-restaurant")
_SERVERS = ("Léa", "Hugo", "Inès", "Noé")
_FIRST = ("Amélie", "Bruno", "Chloé", "Dieter", "Élise", "François", "Gaëlle", "Hélène")
_LAST = ("Dubois", "Lambert", "Peeters", "Janssens", "Müller", "Lefèvre", "Maes", "Renard")
_PROMOTIONS = ("Menu du midi -10 %", "Happy hour", "Dessert offert", "Soirée moules")

Json = str
"""A piece of JSON text: amounts are written as they are on the ticket, 55.10 and not 55.1."""


@dataclass(slots=True)
class _Known:
    """What the registers have pushed so far, as JSON: what is changed later was this before."""

    tickets: list[tuple[int, Json, Json]] = field(
        default_factory=list
    )  # id, before, when cancelled
    clients: list[tuple[int, Json, Json]] = field(default_factory=list)  # id, before, when changed
    promotions: list[tuple[int, Json, Json]] = field(default_factory=list)


class Sales:
    """An endless, seeded stream of BackendSync lines; a ticket is three or so of them."""

    def __init__(self, seed: int, now: Callable[[], datetime]) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a script for a play, not a secret
        self._now = now
        self._known = _Known()
        self._number = 0

    def __iter__(self) -> Iterator[bytes]:
        """Lines `{"entity", "before", "after", "key"}`, all seven events among the first forty."""
        yield from self._opening()
        while True:
            yield from self._random.choices(
                (self._ticket, self._cancellation, self._client, self._client_change),
                weights=(12, 2, 2, 2),
            )[0]()
            yield from self._random.choices(
                (self._nothing, self._produit, self._promotion, self._promotion_change),
                weights=(12, 2, 1, 1),
            )[0]()

    def _opening(self) -> Iterator[bytes]:
        """One of everything, so that a short demonstration shows all there is."""
        for scene in (
            self._promotion,
            self._produit,
            self._client,
            self._ticket,
            self._client_change,
            self._cancellation,
            self._promotion_change,
        ):
            yield from scene()

    def _nothing(self) -> Iterator[bytes]:
        yield from ()

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _line(self, entity: str, before: Json | None, after: Json, key: str) -> bytes:
        return (
            f'{{"entity":"{entity}","before":{before or "null"},"after":{after},"key":"{key}"}}'
        ).encode()

    def _ticket(self) -> Iterator[bytes]:
        number, at = self._next(), wire_time(self._now())
        lines = [self._ordered() for _ in range(self._random.randint(1, 5))]
        total = sum((amount for amount, _ in lines), Decimal())
        about = (
            f'"id":{number},"numero":"{1000 + number}","date":"{at}",'
            f'"table":{self._random.randint(1, 24)},"serveur":"{self._random.choice(_SERVERS)}",'
            f'"mode_paiement":"{self._random.choice(_PAYMENTS)}",'
            f'"lignes":[{",".join(line for _, line in lines)}],"total_tvac":{total}'
        )
        ouvert, valide, annule = (
            f'{{"statut":"{statut}",{about}}}' for statut in ("ouvert", "valide", "annule")
        )
        yield self._line("ticket", None, ouvert, f"ticket-{number}-ouvert")
        yield self._line("ticket", ouvert, valide, f"ticket-{number}-valide")
        self._known.tickets.append((number, valide, annule))

    def _ordered(self) -> tuple[Decimal, Json]:
        name, price, vat = self._random.choice(_MENU)
        quantity = self._random.randint(1, 4)
        amount = quantity * Decimal(price)
        return amount, (
            f'{{"produit":"{name}","quantite":{quantity},"prix_unitaire_tvac":{price},'
            f'"taux_tva":{vat},"total_tvac":{amount}}}'
        )

    def _cancellation(self) -> Iterator[bytes]:
        if self._known.tickets:
            number, valide, annule = self._known.tickets.pop()
            yield self._line("ticket", valide, annule, f"ticket-{number}-annule")

    def _client(self) -> Iterator[bytes]:
        number = self._next()
        first, last = self._random.choice(_FIRST), self._random.choice(_LAST)
        about = f'"id":{number},"prenom":"{first}","nom":"{last}","email":"{_email(first, last)}"'
        points = self._random.randint(0, 400)
        before = f'{{{about},"points_fidelite":{points}}}'
        after = f'{{{about},"points_fidelite":{points + 10}}}'
        yield self._line("client", None, before, f"client-{number}-1")
        self._known.clients.append((number, before, after))

    def _client_change(self) -> Iterator[bytes]:
        if self._known.clients:
            number, before, after = self._known.clients.pop()
            yield self._line("client", before, after, f"client-{number}-2")

    def _produit(self) -> Iterator[bytes]:
        number = self._next()
        name, price, vat = self._random.choice(_MENU)
        dearer = Decimal(price) + Decimal("0.50")
        before = f'{{"id":{number},"nom":"{name}","prix_tvac":{price},"taux_tva":{vat}}}'
        after = f'{{"id":{number},"nom":"{name}","prix_tvac":{dearer},"taux_tva":{vat}}}'
        yield self._line("produit", before, after, f"produit-{number}-1")

    def _promotion(self) -> Iterator[bytes]:
        number, begin = self._next(), self._now().date()
        name = self._random.choice(_PROMOTIONS)
        before = _promotion(number, name, begin, begin + timedelta(days=7))
        after = _promotion(number, name, begin, begin + timedelta(days=14))
        yield self._line("promotion", None, before, f"promotion-{number}-1")
        self._known.promotions.append((number, before, after))

    def _promotion_change(self) -> Iterator[bytes]:
        if self._known.promotions:
            number, before, after = self._known.promotions.pop()
            yield self._line("promotion", before, after, f"promotion-{number}-2")


def _email(first: str, last: str) -> str:
    letters = unicodedata.normalize("NFD", f"{first}.{last}".lower())
    return f"{letters.encode('ascii', 'ignore').decode()}@example.com"


def _promotion(number: int, name: str, begin: date, end: date) -> Json:
    return f'{{"id":{number},"nom":"{name}","debut":"{begin}","fin":"{end}","remise_pct":10.00}}'
