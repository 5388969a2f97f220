"""Wall time of pieces of work, for the benchmarks."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one piece of work."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


class Clock:
    """Seconds inside functions, by part."""

    def __init__(self, device: str = "cpu") -> None:
        self.spent: Counter[str] = Counter()
        self._device = device

    def watch(self, part: str, owner: Any, name: str) -> None:
        """Count the calls of a method, or of a module's function."""
        whole = getattr(owner, name)

        def timed(*args, **kwargs):
            began = self._now()
            made = whole(*args, **kwargs)
            self.spent[part] += self._now() - began
            return made

        setattr(owner, name, timed)

    def _now(self) -> float:
        if self._device == "cuda":
            import torch  # for those alone who measure with it

            torch.cuda.synchronize()
        return time.perf_counter()
