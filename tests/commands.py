"""Commands as a user types them, in processes of their own."""

import subprocess
import sys
from pathlib import Path


def skep(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`skep` with these words, in `cwd`."""
    return subprocess.run([sys.executable, "-m", "pipeline", *map(str, words)], capture_output=True, text=True, cwd=cwd)
