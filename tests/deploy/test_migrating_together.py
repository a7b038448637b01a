"""Several processes that start at once all migrate; one does it, and the others find it done."""

import subprocess
import sys
from pathlib import Path

from app.kit.database import Database
from app.kit.migrations import at_head
from tests.conftest import Databases, settings_for
from tests.deploy.serving import PATIENCE_SECONDS, environment

TOGETHER = 4


def test_processes_that_migrate_at_once_all_end_well(databases: Databases, database_kind: str, tmp_path: Path) -> None:
    with databases.fresh(database_kind, migrated=False) as address:
        words = [sys.executable, "-m", "app.cli", "migrate"]
        given = environment(tmp_path, {"database_url": address})
        started = [
            subprocess.Popen(words, cwd=tmp_path, env=given, stderr=subprocess.PIPE, text=True) for _ in range(TOGETHER)
        ]
        ended = [(each.communicate(timeout=PATIENCE_SECONDS)[1], each.returncode) for each in started]
        assert [code for _, code in ended] == [0] * TOGETHER, ended
        database = Database(settings_for(address, tmp_path))
        assert at_head(database)
        database.close()
