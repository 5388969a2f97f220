"""The files of a folder, whatever links lead to them."""

import os
from pathlib import Path


def files_below(folder: Path) -> list[Path]:
    """All files of a folder and of those below it, sorted. A linked folder is entered like any other, but none is entered twice."""
    found, entered = [], set()
    for here, folders, names in os.walk(folder, followlinks=True):
        entered.add(os.path.realpath(here))
        folders[:] = sorted(name for name in folders if os.path.realpath(os.path.join(here, name)) not in entered)
        found += [path for path in (Path(here, name) for name in names) if path.is_file()]
    return sorted(found)
