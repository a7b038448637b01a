"""Putting a copy back: all of it, nothing of a damaged one, and again where it was interrupted."""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient
from sqlalchemy import create_engine, select, text
from sqlmodel import col

from app.assembly import assemble, create_app
from app.backups import actions
from app.backups.actions import FileFailed, NewerBackup, OtherDatabase
from app.backups.archive import DATABASE, DamagedBackup, Manifest, NotABackup, written
from app.backups.databases import NotCopied, NotEmpty, StillInUse, _program, _run
from app.journal.models import Administration, LogHead
from app.kit.database import Database
from app.kit.house import House
from app.kit.migrations import upgrade
from app.kit.settings import Settings
from tests.backups.conftest import Place, Rows, everything, files, put_back, take
from tests.conftest import MONDAY_MORNING, Databases, SettableClock, settings_for
from tests.town import Town, populate

OLD = "0003"


@pytest.fixture
async def file(town: Town, tmp_path: Path) -> Path:
    """A backup of a town in which something happened."""
    operator = town.operator("Bakalan")
    problem = await operator.report(title="Jembatan bambu rapuh")
    await operator.photo(problem)
    await town.lurah("Bakalan").step(problem, "forward")
    await town.operator("Kepel").report("Kepel")
    take(town.house, tmp_path / "kota.tar", with_keys=True)
    return tmp_path / "kota.tar"


def apart(rows: Rows) -> Rows:
    """Without what a restore changes, and what is noted only after the copy."""
    return {name: found for name, found in rows.items() if name not in ("log_head", "administration_entry")}


def heads(address: str) -> dict[str, tuple[int, int]]:
    engine = create_engine(address)
    with engine.connect() as connection:
        columns = select(col(LogHead.log), col(LogHead.position), col(LogHead.next_number))
        found = {log: (position, number) for log, position, number in connection.execute(columns)}
    engine.dispose()
    return found


def assert_restored(town: Town, settings: Settings) -> None:
    """As the town was, but for the numbers."""
    source, target = town.house.settings, settings
    assert apart(everything(target.database_address)) == apart(everything(source.database_address))
    moved = {log: (position, number + 100) for log, (position, number) in heads(source.database_address).items()}
    found = heads(target.database_address)
    assert {log: found[log] for log in moved} == moved != {}
    assert {found[log] for log in found.keys() - moved.keys()} == {(0, 101)}, "where none was given yet, too"
    assert files(target.data_dir / "photos") == files(source.data_dir / "photos") != {}


# -- all of it -------------------------------------------------------------------------------------------------------


async def test_everything_comes_back_and_life_goes_on(
    town: Town, file: Path, place: Place, database_kind: str, clock: SettableClock
) -> None:
    settings = place(database_kind)
    restored = put_back(settings, file)
    assert (restored.photos, restored.present, restored.keys_fit) == (2, 0, True)
    assert_restored(town, settings)
    assert (settings.data_dir / "keys").read_bytes() == (town.house.settings.data_dir / "keys").read_bytes()
    assert (settings.data_dir / "keys").stat().st_mode & 0o777 == 0o600

    house = assemble(settings, clock=clock)
    try:
        with house.database.read() as session:
            kinds = session.execute(select(col(Administration.kind), col(Administration.subject))).all()
        assert ("backup.restored", "kota.tar") in kinds
        assert "backup.taken" not in {kind for kind, _ in kinds}
        transport = ASGITransport(app=create_app(settings, house=house))
        async with AsyncClient(transport=transport, base_url="http://testserver") as client:
            again = Town(house, client, clock)
            found = await again.lurah("Bakalan").get("/problems", params={"words": "rapuh"})
            assert len(again.good(found, 200)["items"]) == 1, found.text
            assert (await again.operator("Bakalan").report())["number"] == "35.75.03.1005-0102"
    finally:
        house.database.close()


async def test_what_is_there_is_replaced_only_by_force(
    town: Town, file: Path, place: Place, database_kind: str
) -> None:
    settings = place(database_kind)
    upgrade(settings.database_address)
    before = everything(settings.database_address)
    with pytest.raises(NotEmpty):
        put_back(settings, file)
    assert everything(settings.database_address) == before
    assert files(settings.data_dir / "photos") == {}
    put_back(settings, file, force=True)
    assert_restored(town, settings)


async def test_photos_and_keys_that_are_there_are_left(
    town: Town, file: Path, place: Place, database_kind: str
) -> None:
    settings = place(database_kind)
    name = next(iter(files(town.house.settings.data_dir / "photos")))
    (settings.data_dir / "photos" / name).parent.mkdir(parents=True)
    (settings.data_dir / "photos" / name).write_bytes(b"as it was")
    (settings.data_dir / "keys").write_bytes(b"another key")
    restored = put_back(settings, file)
    assert (restored.present, restored.keys_fit) == (1, False)
    assert (settings.data_dir / "photos" / name).read_bytes() == b"as it was"
    assert (settings.data_dir / "keys").read_bytes() == b"another key"


async def test_keys_of_the_settings_are_compared(file: Path, town: Town, place: Place, database_kind: str) -> None:
    key = (town.house.settings.data_dir / "keys").read_text()
    settings = place(database_kind, encryption_keys=f"newer, {key}")
    assert put_back(settings, file).keys_fit is True
    assert not (settings.data_dir / "keys").exists()
    assert put_back(place(database_kind, encryption_keys="other"), file).keys_fit is False


# -- nothing of it ---------------------------------------------------------------------------------------------------


def untouched(settings: Settings) -> bool:
    engine = create_engine(settings.database_address)
    with engine.connect() as connection:
        empty = not engine.dialect.get_table_names(connection)
    engine.dispose()
    Path(str(engine.url.database)).unlink(missing_ok=True)  # SQLite's, made by looking
    return empty and not settings.data_dir.exists()


def rewritten(file: Path, change: Callable[[str, bytes], tuple[str, bytes] | None]) -> None:
    """The same tar with other members."""
    with tarfile.open(file) as tar:
        members = [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]  # only files
    with tarfile.open(file, "w") as tar:
        for name, content in filter(None, (change(*each) for each in members)):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def flipped(wanted: str) -> Callable[[Path], None]:
    def flip(name: str, content: bytes) -> tuple[str, bytes]:
        if not name.startswith(wanted):
            return name, content
        middle = len(content) // 2
        return name, content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]

    return lambda file: rewritten(file, flip)


def without(wanted: str) -> Callable[[Path], None]:
    return lambda file: rewritten(file, lambda name, content: None if name.startswith(wanted) else (name, content))


def cut(share: float) -> Callable[[Path], None]:
    def shorten(file: Path) -> None:
        content = file.read_bytes()
        file.write_bytes(content[: int(len(content) * share)])

    return shorten


def of_format(number: int) -> Callable[[Path], None]:
    def change(name: str, content: bytes) -> tuple[str, bytes]:
        return name, json.dumps({"format": number}).encode() if name == "manifest.json" else content

    return lambda file: rewritten(file, change)


@pytest.mark.parametrize(
    ("damage", "refusal"),
    [
        pytest.param(flipped("database"), DamagedBackup, id="a bit of the database"),
        pytest.param(flipped("photos/"), DamagedBackup, id="a bit of each photo"),
        pytest.param(flipped("keys"), DamagedBackup, id="a bit of the keys"),
        pytest.param(flipped("SHA256SUMS"), DamagedBackup, id="a bit of the checksums"),
        pytest.param(without("photos/"), DamagedBackup, id="without photos"),
        pytest.param(without("database"), DamagedBackup, id="without the database"),
        pytest.param(without("SHA256SUMS"), DamagedBackup, id="without checksums"),
        *(pytest.param(cut(share), DamagedBackup, id=f"only {share:%}") for share in (0.1, 0.5, 0.9)),
        pytest.param(without("manifest.json"), NotABackup, id="without a manifest"),
        pytest.param(of_format(2), NotABackup, id="of a format to come"),
        pytest.param(of_format(1), DamagedBackup, id="of which nothing is said"),
        pytest.param(lambda file: file.write_bytes(b""), NotABackup, id="nothing"),
        pytest.param(lambda file: file.write_bytes(b"PK\3\4" * 9000), NotABackup, id="something else"),
        pytest.param(lambda file: file.unlink(), FileFailed, id="not there"),
    ],
)
async def test_a_damaged_backup_touches_nothing(
    file: Path, place: Place, database_kind: str, damage: Callable[[Path], None], refusal: type[Exception]
) -> None:
    damage(file)
    settings = place(database_kind)
    with pytest.raises(refusal):
        put_back(settings, file)
    assert untouched(settings)


def test_another_kind_of_database_is_refused(place: Place, tmp_path: Path, database_kind: str) -> None:
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[database_kind]
    file = archive(tmp_path / "other.tar", other, OLD, b"")
    settings = place(database_kind)
    with pytest.raises(OtherDatabase):
        put_back(settings, file)


def test_a_newer_schema_is_refused(place: Place, tmp_path: Path, database_kind: str) -> None:
    file = archive(tmp_path / "newer.tar", database_kind, "9999", b"")
    settings = place(database_kind)
    with pytest.raises(NewerBackup):
        put_back(settings, file)
    assert untouched(settings)


def archive(file: Path, kind: str, revision: str, content: bytes) -> Path:
    manifest = Manifest.model_validate(
        {
            "app": "0",
            "database": kind,
            "program": None,
            "revision": revision,
            "moment": MONDAY_MORNING,
            "counts": {"problems": 0, "facts": 0},
        }
    )
    with written(file, manifest) as writing:
        writing.add(DATABASE, io.BytesIO(content))
    return file


# -- older versions --------------------------------------------------------------------------------------------------


@pytest.fixture
def older(place: Place, database_kind: str, tmp_path: Path) -> Path:
    """A backup as an older version made it, with one log."""
    address = place(database_kind).database_address
    upgrade(address, OLD)
    engine = create_engine(address)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO log_head (log, position, next_number) VALUES ('35.75.03.1005', 4, 3)"))
    engine.dispose()
    copy = tmp_path / "older"
    if database_kind == "sqlite":
        copy = Path(address.removeprefix("sqlite:///"))
    else:
        database = Database(Settings(_env_file=None, data_dir=tmp_path, database_url=address))
        _run(database, _program("pg_dump", 0)[0], "--format=custom", f"--file={copy}")
        database.close()
    return archive(tmp_path / "older.tar", database_kind, OLD, copy.read_bytes())


@pytest.mark.parametrize("force", [False, True])
def test_an_older_schema_is_migrated(older: Path, place: Place, database_kind: str, force: bool) -> None:
    settings = place(database_kind)
    if force:
        upgrade(settings.database_address)  # what the newer version made stands in the way
    restored = put_back(settings, older, force=force)
    assert restored.manifest.revision == OLD != restored.revision
    assert heads(settings.database_address) == {"35.75.03.1005": (4, 103)}
    assert everything(settings.database_address)["sync_device"] == []


# -- in the middle ---------------------------------------------------------------------------------------------------


class PowerCut(Exception):
    """It went dark."""


@pytest.mark.parametrize("moment", ["Photos", "Database"])
@pytest.mark.parametrize("force", [False, True])
async def test_interrupted_before_the_database_nothing_is_lost(
    town: Town, file: Path, place: Place, database_kind: str, moment: str, force: bool
) -> None:
    settings = place(database_kind)
    before = {}
    if force:
        upgrade(settings.database_address)
        before = everything(settings.database_address)

    def go_dark(what: str, done: int, total: int) -> None:
        if what == moment:
            raise PowerCut

    with pytest.raises(PowerCut):
        put_back(settings, file, force=force, tell=go_dark)
    if force:
        assert everything(settings.database_address) == before
    assert put_back(settings, file, force=force).present == {"Photos": 1, "Database": 2}[moment]
    assert_restored(town, settings)


async def test_interrupted_after_the_copy_the_same_again_succeeds(
    town: Town, file: Path, place: Place, database_kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = place(database_kind)

    def go_dark(*_: object) -> None:
        raise PowerCut

    with monkeypatch.context() as dark:
        dark.setattr(actions, "_leave_out_numbers", go_dark)
        with pytest.raises(PowerCut):
            put_back(settings, file)
    put_back(settings, file, force=True)
    assert_restored(town, settings)


# -- SQLite's file ---------------------------------------------------------------------------------------------------


@pytest.fixture
def sqlite_house(databases: Databases, tmp_path: Path) -> Iterator[House]:
    with databases.fresh("sqlite", populate) as address:
        house = assemble(settings_for(address, tmp_path / "sqlite"), clock=SettableClock())
        yield house
        house.database.close()


def test_a_server_that_still_uses_the_file_is_noticed(sqlite_house: House, tmp_path: Path) -> None:
    take(sqlite_house, tmp_path / "kota.tar")
    settings = sqlite_house.settings
    before = everything(settings.database_address)
    with pytest.raises(StillInUse):
        put_back(settings, tmp_path / "kota.tar", force=True)
    assert everything(settings.database_address) == before
    sqlite_house.database.close()
    put_back(settings, tmp_path / "kota.tar", force=True)


def test_a_ruined_file_and_what_lay_beside_it_are_replaced(sqlite_house: House, tmp_path: Path) -> None:
    take(sqlite_house, tmp_path / "kota.tar")
    settings = sqlite_house.settings
    before = everything(settings.database_address)
    sqlite_house.database.close()
    ruined = Path(settings.database_address.removeprefix("sqlite:///"))
    for name in (ruined.name, f"{ruined.name}-wal", f"{ruined.name}-shm"):
        ruined.with_name(name).write_bytes(b"rubbish" * 1000)
    put_back(settings, tmp_path / "kota.tar", force=True)
    assert [each.name for each in ruined.parent.glob(f"*{ruined.name}*")] == [ruined.name]
    assert apart(everything(settings.database_address)) == apart(before)


def test_a_copy_that_the_database_does_not_take_changes_nothing(
    town_house: House, tmp_path: Path, database_kind: str
) -> None:
    before = everything(town_house.settings.database_address)
    town_house.database.close()
    odd = archive(tmp_path / "odd.tar", database_kind, actions._known(OLD), b"odd" * 1000)
    with pytest.raises(NotCopied):
        put_back(town_house.settings, odd, force=True)
    assert everything(town_house.settings.database_address) == before
