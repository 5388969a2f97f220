"""All checks in their order: the first that fails names the reason."""

from manifests.recipe import Filter
from stages.filters import box, figures, limbs, pose, style
from stages.filters.calibration import Calibration
from stages.filters.look import Look

SCORES = ("oks", "pck", "limbs", "box", "figures", "style")  # of the checks that need a detector


def judge(look: Look, cfg: Filter, calibration: Calibration) -> tuple[str, dict[str, float]]:
    """(reason, empty where every check that is on passes; SCORES by name) of a picture with ink on it."""
    least = lambda check, name: calibration.least(name, look.style) if check is None else check  # noqa: E731
    bounds = least(cfg.pose.least, "oks"), least(cfg.pose.least_pck, "pck")
    verdicts = {
        "style": (cfg.style, style.check(look, least(cfg.style.least, "style"))),
        "box": (cfg.box, box.check(look, least(cfg.box.least, "box"))),
        "figures": (cfg.figures, figures.check(look, least(cfg.figures.least, "figures"))),
        "limbs": (cfg.limbs, limbs.check(look, least(cfg.limbs.least, "limbs"))),
    }
    reasons = [reason for check, (_, reason, _) in verdicts.values() if check.on]
    _, disagrees, (oks, pck) = pose.check(look, *bounds)
    if cfg.pose.on:
        reasons.insert(3, disagrees)
    scores = {"oks": oks, "pck": pck, **{name: score for name, (_, (_, _, score)) in verdicts.items()}}
    return next(filter(None, reasons), ""), scores
