"""Where bytes lie, and that they lie there before anybody relies on them."""

import os
from pathlib import Path

import pytest

from app.evidence.store import Store, open_store
from app.kit.refusals import Busy, NotFound
from app.kit.settings import Settings


def settings(folder: Path, photos_url: str | None = None) -> Settings:
    return Settings(_env_file=None, data_dir=folder, photos_url=photos_url)


@pytest.fixture(params=["data folder", "another folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    address = {"data folder": None, "another folder": f"file://{tmp_path}/lain", "bucket": "memory:///"}[request.param]
    return open_store(settings(tmp_path, address))


def test_bytes_come_back(store: Store) -> None:
    store.put("2026-03/a.jpg", b"first")
    store.put("2026-03/b.jpg", b"second")
    assert store.read("2026-03/b.jpg") == b"second"
    assert sorted(name for chunk in store.names() for name in chunk) == ["2026-03/a.jpg", "2026-03/b.jpg"]
    store.remove(["2026-03/a.jpg", "2026-03/never-there.jpg"])
    assert [name for chunk in store.names() for name in chunk] == ["2026-03/b.jpg"]
    with pytest.raises(NotFound):
        store.read("2026-03/a.jpg")


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("secret")
    store = open_store(settings(tmp_path))
    with pytest.raises(ValueError, match=r"keys"):
        store.read("../keys")


def test_file_and_folders_are_brought_to_disk_before_put_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda number: settled.append(Path(f"/proc/self/fd/{number}").readlink()))
    open_store(settings(tmp_path)).put("2026-03/a.jpg", b"bytes")
    photos = tmp_path / "photos"
    assert settled == [photos / "2026-03" / "a.jpg", photos / "2026-03", photos]


def test_a_store_that_fails_is_a_503_and_not_a_500(tmp_path: Path) -> None:
    store = open_store(settings(tmp_path))
    (tmp_path / "photos" / "2026-03").write_text("a file where a folder should be")
    with pytest.raises(Busy):
        store.put("2026-03/a.jpg", b"bytes")
