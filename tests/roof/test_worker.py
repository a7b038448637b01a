import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.kit.migrations import upgrade

HERE = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_worker_starts_and_stops_when_it_is_told(number: signal.Signals, tmp_path: Path) -> None:
    upgrade(f"sqlite:///{tmp_path / 'ujung.db'}")
    environment = os.environ | {"UJUNG_DATA_DIR": str(tmp_path), "UJUNG_LOG_JSON": "true", "PYTHONPATH": str(HERE)}
    command = [sys.executable, "-m", "app.cli", "worker"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment) as process:
        try:
            assert process.stderr is not None
            assert "worker started" in process.stderr.readline()
            process.send_signal(number)
            said = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert "worker stopped" in said
    assert "round failed" not in said
