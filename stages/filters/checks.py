"""All checks that need a detector, in their order: the first that fails names the reason."""

from manifests.recipe import Filter
from stages.filters import box, figures, limbs, pose, style
from stages.filters.calibration import Calibration
from stages.filters.look import Look

SCORES = ("oks", "pck", "limbs", "box", "figures", "style")
_OF_ONE_SCORE = {"style": style.check, "box": box.check, "figures": figures.check}
_ORDER = ("style", "box", "figures", "pose", "limbs")


def judge(look: Look, cfg: Filter, calibration: Calibration) -> tuple[str, dict[str, float]]:
    """(reason, empty where every check that is on passes; SCORES by name) of a picture with ink on it."""

    def bound(score: str, given: float | None) -> float:
        return calibration.least(score, look.style) if given is None else given

    verdicts = {name: check(look, bound(name, getattr(cfg, name).least)) for name, check in _OF_ONE_SCORE.items()}
    verdicts["limbs"] = limbs.check(look, bound("limbs", cfg.limbs.least), calibration.limbs)
    scores = {name: score for name, (_, _, score) in verdicts.items()}
    _, disagrees, (oks, pck) = pose.check(look, bound("oks", cfg.pose.least), bound("pck", cfg.pose.least_pck))
    reasons = {name: reason for name, (_, reason, _) in verdicts.items()} | {"pose": disagrees}
    failed = [reasons[name] for name in _ORDER if getattr(cfg, name).on and reasons[name]]
    return failed[0] if failed else "", {**scores, "oks": oks, "pck": pck}
