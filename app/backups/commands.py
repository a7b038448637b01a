"""The command line only: what the operator types, one action, what the operator is told."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.backups.actions import NUMBERS_LEFT_OUT, Restored, Taken, restore_backup, take_backup
from app.backups.archive import Manifest, Tell
from app.kit.clock import system_clock
from app.kit.house import House
from app.kit.settings import Settings

SETTINGS: Final = "ujung.settings"
"""Under this name the roof gives `ReadSettings`: what is not there yet must not be assembled."""

OpenHouse = Callable[..., AbstractContextManager[House]]
ReadSettings = Callable[[], AbstractContextManager[Settings]]


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The new file.")],
    without_photos: Annotated[
        bool, typer.Option("--without-photos", help="Only where photos are kept safe in another way.")
    ] = False,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="With the key file: whoever gets the copy can read reporters' names.")
    ] = False,
) -> None:
    """Copies the whole installation into one file, while it runs. What phones sent before it is safe from then on."""
    open_house: OpenHouse = context.obj
    with open_house(migrated=True) as house:
        with _bar() as tell:
            taken = take_backup(house, file, with_photos=not without_photos, with_keys=with_keys, tell=tell)
        _tell_taken(house.settings, file, taken, with_photos=not without_photos, with_keys=with_keys)


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file that `ujung backup` made.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the database that is there.")] = False,
) -> None:
    """Puts a backup in the place of this installation. Stop the server and the worker first."""
    read_settings: ReadSettings = context.meta[SETTINGS]
    with read_settings() as settings:
        with _bar() as tell:
            restored = restore_backup(settings, system_clock, file, force=force, tell=tell)
        _tell_restored(settings, file, restored)


@contextmanager
def _bar() -> Iterator[Tell]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


# -- what is told ----------------------------------------------------------------------------------------------------


def _tell_taken(settings: Settings, file: Path, taken: Taken, *, with_photos: bool, with_keys: bool) -> None:
    typer.echo(f"Wrote {file}, {taken.size:,} bytes: {_contents(taken.manifest)}, {taken.photos:,} photo files.")
    if not with_photos:
        typer.echo("Photos are not in it; keep them safe in another way.")
    if taken.missing:
        typer.echo(f"{taken.missing:,} photo files that its rows name could not be found; the log names them.")
    if with_keys:
        typer.echo("The keys are in it: whoever gets it can read who reported.")
    elif settings.encryption_keys is not None:
        typer.echo("The keys of UJUNG_ENCRYPTION_KEYS are not in it, and a restore needs them.")
    else:
        typer.echo(
            f"The key file {settings.data_dir / 'keys'} is not in it, and a restore needs it: keep a copy apart."
        )


def _tell_restored(settings: Settings, file: Path, restored: Restored) -> None:
    manifest = restored.manifest
    typer.echo(f"Restored {file}: {_contents(manifest)}, {restored.photos:,} photo files.")
    if restored.present:
        typer.echo(f"{restored.present:,} of the photo files were there already, and were left.")
    if missing := manifest.counts.get("photo_files", 0) - restored.photos:
        typer.echo(f"{missing:,} photo files that its rows name are not in it.")
    if restored.revision != manifest.revision:
        typer.echo(f"The database was migrated from {manifest.revision} to {restored.revision}.")
    if restored.keys_fit is None:
        typer.echo(
            f"It holds no keys: without those of its time ({settings.data_dir / 'keys'}) nobody sees who reported."
        )
    elif not restored.keys_fit:
        typer.echo("The keys here are others than those in it; without the latter nobody sees who reported.")
    typer.echo(f"Numbers of problems go on {NUMBERS_LEFT_OUT} further in each kelurahan, so that none is given twice.")


def _contents(manifest: Manifest) -> str:
    counts = manifest.counts
    return f"as of {manifest.moment:%Y-%m-%d %H:%M:%S %Z}, {counts['problems']:,} problems, {counts['facts']:,} facts"
