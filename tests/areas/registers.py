"""Registers of areas for the tests."""

from pathlib import Path

from app.areas.register import Row, read_rows
from app.areas.words import search_key

PASURUAN_FILE = Path(__file__).resolve().parents[2] / "app" / "town" / "areas.csv"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def pasuruan() -> list[Row]:
    """The project's own seed: Kota Pasuruan and the province above it."""
    return read_rows(PASURUAN_FILE)


def invented(villages: int = 4_000) -> list[Row]:
    """As many villages, a hundred to a district, whose names begin alike in groups."""
    rows = [Row("35", "Jawa Timur"), Row("35.01", "Kabupaten Pacitan")]
    for district in range(1, villages // 100 + 1):
        above = f"35.01.{district:02}"
        rows.append(Row(above, f"Kecamatan {district}"))
        rows += [Row(f"{above}.{2000 + count}", f"Suka {count} Maju {district}") for count in range(100)]
    return rows


def holding(rows: list[Row], looked_for: str) -> list[str]:
    """What a search must find, in its order."""
    key = search_key(looked_for)
    names = [(search_key(row.name), row.code) for row in rows]
    found = [(not name.startswith(key), name, code) for name, code in names if key in name]
    return [code for _, _, code in sorted(found)]
