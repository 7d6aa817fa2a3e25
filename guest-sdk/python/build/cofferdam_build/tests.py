"""Runs an author's tests: pytest, with the Python of this machine and no component."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cofferdam_build import requirements
from cofferdam_build.error import BuildError

NO_TESTS = 5
"""How pytest ends when it has found nothing to do."""


def run(folder: Path, *, sdk: Path, cache: Path) -> int:
    """How pytest ended."""
    path = [str(sdk), *map(str, requirements.of(folder, cache))]
    # What a run leaves behind would be a change of the folder.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--quiet", "."]
    done = subprocess.run(command, cwd=folder, env=environment, check=False)
    if done.returncode == NO_TESTS:
        raise BuildError(f"{folder} has no tests", hint="pytest finds functions `test_...` in files `test_....py`")
    return done.returncode
