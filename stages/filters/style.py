"""Is the picture in the style that its label names?"""

from manifests.skeleton import STYLES
from stages.filters.look import Look


def check(look: Look, least: float) -> tuple[bool, str, float]:
    """(keep, reason, probability of the labelled style)."""
    score = float(look.styles[STYLES.index(look.style)])
    keep = score >= least
    return keep, "" if keep else "another style", score
