"""`python -m tests.toy_run FOLDER`: a run of the toy stages in a process that tests can kill."""

import sys

from pipeline.run import run
from tests.toy import SPECS, toy_recipe


def recipe():
    return toy_recipe(poses__count=200, run__workers=2)


if __name__ == "__main__":
    run(recipe(), sys.argv[1], SPECS, quiet=True)
