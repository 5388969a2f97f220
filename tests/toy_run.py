"""`python -m tests.toy_run FOLDER [RAY_ADDRESS]`: a run of the toy stages in a process that tests can kill."""

import sys

from manifests.errors import UserError
from pipeline.executors.choose import HERE, Where
from pipeline.run import run
from tests.toy import SPECS, toy_recipe

WORKERS = 2


def recipe():
    return toy_recipe(poses__count=200, run__workers=WORKERS)


if __name__ == "__main__":
    try:
        run(recipe(), sys.argv[1], SPECS, quiet=True, where=Where(True, sys.argv[2]) if sys.argv[2:] else HERE)
    except UserError as e:
        sys.exit(str(e))
