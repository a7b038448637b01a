"""A small city with two agencies and a tree of four categories."""

from app.agencies.actions import Sown, sow
from app.areas.actions import import_areas
from app.kit.house import House

PLACES = [
    ("35", "Jawa Timur"),
    ("35.75", "Kota Pasuruan"),
    ("35.75.01", "Gadingrejo"),
    ("35.75.01.1001", "Karangketug"),
    ("35.75.03", "Bugul Kidul"),
    ("35.75.03.1003", "Tapa'an"),
    ("35.75.03.1005", "Bakalan"),
]
AGENCIES = [
    {"code": "PUPR", "name": "Dinas Pekerjaan Umum", "kind": "dinas", "has_accounts": "yes"},
    {"code": "PERKIM", "name": "Dinas Perumahan Rakyat", "kind": "dinas", "has_accounts": "yes"},
    {"code": "PLN", "name": "PT PLN (Persero)", "kind": "external", "has_accounts": "no"},
]
CATEGORIES = [
    {"code": "jalan", "label": "Jalan", "parent": "", "class": "ordinary", "proof_required": "yes"},
    {"code": "jalan-rusak", "label": "Jalan rusak", "parent": "jalan", "class": "ordinary", "proof_required": "yes"},
    {"code": "gang", "label": "Gang", "parent": "jalan-rusak", "class": "ordinary", "proof_required": "yes"},
    {"code": "informasi", "label": "Informasi", "parent": "", "class": "information", "proof_required": "no"},
]
RULES = [{"category": "jalan", "agency": "PUPR"}]


def sown(house: House) -> Sown:
    with house.database.write() as session:
        import_areas(session, PLACES)
        return sow(session, "35.75", house.clock(), AGENCIES, CATEGORIES, RULES)
