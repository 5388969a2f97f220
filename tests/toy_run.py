"""`python -m tests.toy_run FOLDER [RAY_ADDRESS [SKETCHES CONFIG]]`: a run of the toy stages in a process that tests can kill.

It ends as the command line would.
"""

import sys

from pipeline.executors.choose import HERE, Where
from pipeline.run import run
from pipeline.signals import exit_codes
from tests.toy import specs, toy_recipe

WORKERS = 2


def recipe(**more):
    return toy_recipe(poses__count=200, run__workers=WORKERS, **more)


def main(folder: str, ray_address: str = "", sketches: str = "Blobs", config: str = "") -> None:
    more = {"body__path": config} if config else {}
    with exit_codes():
        run(recipe(**more), folder, specs(sketches), quiet=True, where=Where(True, ray_address) if ray_address else HERE)


if __name__ == "__main__":
    main(*sys.argv[1:])
