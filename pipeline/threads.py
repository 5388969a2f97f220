"""Threads of the libraries that stages load. Their number decides the last digits of sums and so the bytes of a picture: wherever a
stage works, it has those that it asks for, which its markers record."""

import sys

from manifests.stage import Stage, threads_of

ENVIRONMENT = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def hold_threads(stage: Stage) -> None:
    """Hold the libraries that the stage has loaded to its threads; to be called once it is set up."""
    threads = threads_of(stage)
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
