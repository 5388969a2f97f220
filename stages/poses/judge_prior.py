"""Measures a pose prior: `python -m stages.poses.judge_prior weights.safetensors --source bvh:folder --source deepmimic:folder`."""

import argparse
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from manifests.errors import UserError, command
from manifests.markdown import table
from stages.body.model import load_body
from stages.body.rotations import about, angle_between
from stages.poses.capsules import TOLERANCE, capsules_of
from stages.poses.kinematics import place_joints
from stages.poses.prior import JOINTS, LATENT, SLOPE, Prior, features, load_prior
from stages.poses.prior_data import draw_archetypes, load_frames
from stages.poses.widen import draw, poses

_HEAD = ("poses of", "near training frames", "near held-out ones", "recall of held-out ones", "reach", "self-penetration")
_NEIGHBOURS, _THIN = 3, 10
_BONES = ((12, 15), (16, 18), (18, 20), (17, 19), (19, 21), (1, 4), (4, 7), (2, 5), (5, 8), (12, 1), (12, 2))  # SMPL joints, 11 bones
_NEAR = 15.0  # degrees of mean bone direction within which a drawn figure counts as reached


def reconstruction(weights: Path, turns: np.ndarray) -> tuple[float, float]:
    """Mean error over the joints of poses (N, 24, 3, 3) that went through the prior: degrees, and millimetres against the pelvis."""
    prior, arrays = load_prior(weights), {k: v.astype(np.float64) for k, v in load_file(weights).items()}
    hidden = features(turns)
    for layer in range(3):
        hidden = hidden @ arrays[f"encoder.{layer}.weight"].T + arrays[f"encoder.{layer}.bias"]
        hidden = np.where(hidden < 0, SLOPE * hidden, hidden) if layer < 2 else hidden
    made = prior.decode(hidden[:, :LATENT])
    degrees = np.degrees(angle_between(made[:, :JOINTS], turns[:, :JOINTS])).mean()
    return float(degrees), float(1000 * np.sqrt(((_joints(made) - _joints(turns)) ** 2).sum(-1))[:, :JOINTS].mean())


def precision_recall(samples: np.ndarray, real: np.ndarray) -> tuple[float, float]:
    """Shares of samples near real poses, and of real poses near samples (Kynkäänniemi et al. 2019); joints (N, K) in metres."""
    return _within(samples, real, real), _within(real, samples, samples)


def reach(samples: np.ndarray, real: np.ndarray, seed: int) -> float:
    """Share of views of real joints (N, 24, 3) whose 11 bones, in 2D, a view of the samples meets within 15 degrees on the mean."""
    rng = np.random.default_rng(seed)
    ours, theirs = _directions(samples, rng, views=8), _directions(real, rng, views=1)
    met = 0
    for row in theirs:
        cosine = np.clip((ours * row).sum(-1), -1, 1)
        met += np.degrees(np.arccos(cosine)).mean(1).min() < _NEAR
    return met / len(theirs)


def _directions(joints: np.ndarray, rng: np.random.Generator, views: int) -> np.ndarray:
    """Unit 2D bones (views * N, 11, 2) as seen from near the front, as recipes place the viewer."""
    joints = np.tile(joints, (views, 1, 1))
    turn = about("y", np.radians(rng.normal(0, 35, len(joints)))) @ about("x", np.radians(rng.normal(0, 8, len(joints))))
    seen = np.einsum("nab,njb->nja", turn, joints)[..., :2]
    bones = np.stack([seen[:, b] - seen[:, a] for a, b in _BONES], 1)
    return bones / (np.sqrt((bones**2).sum(-1, keepdims=True)) + 1e-9)


def _within(points: np.ndarray, others: np.ndarray, centres: np.ndarray) -> float:
    """Share of points that lie in the ball of some centre, which reaches to its third neighbour among the others."""
    radius = np.sort(_apart(centres, others), 1)[:, _NEIGHBOURS]
    return float((_apart(points, centres) <= radius).any(1).mean())


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0))


def _joints(turns: np.ndarray) -> np.ndarray:
    return place_joints(turns, load_body().rest_points(np.zeros(10))[:24])[1]


def sampled(prior: Prior, count: int, widen: float, seed: int) -> np.ndarray:
    """Poses (count, 24, 3, 3) of the prior."""
    rng = np.random.default_rng(seed)
    return poses(prior, [draw(rng, widen) for _ in range(count)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--source", action="append", required=True)
    parser.add_argument("--rate", type=float, default=30)
    parser.add_argument("--count", type=int, default=3000)
    args = parser.parse_args()
    if args.count <= _NEIGHBOURS:
        raise UserError(f"--count {args.count}: expected more than {_NEIGHBOURS}")
    frames, held = load_frames(args.source, args.rate)
    if len(held.turns) <= _NEIGHBOURS * _THIN:
        raise UserError(f"{', '.join(args.source)}: {len(held.turns)} frames are held out, expected more than {_NEIGHBOURS * _THIN}")
    for name, turns in (("training", frames.turns[:: len(frames.turns) // 2000 + 1]), ("held-out", held.turns)):
        print("reconstruction of {} frames: {:.1f} degrees, {:.0f} mm".format(name, *reconstruction(args.weights, turns)))
    prior, count, some = load_prior(args.weights), args.count, np.random.default_rng(1)
    sets = {
        "training frames": frames.turns[some.choice(len(frames.turns), count, p=frames.shown)],
        "limits": draw_archetypes(count, 2),
        "prior": sampled(prior, count, 0, 3),
        "prior, all widened": sampled(prior, count, 1, 4),
        "recipe's default": np.concatenate([draw_archetypes(count // 3, 5), sampled(prior, count - count // 3, 0.4, 6)]),
    }
    capsules, real = capsules_of(load_body()), _joints(held.turns)
    thin = real[::_THIN]  # neighbours in time would be each other's nearest, and their balls no larger than a blink
    seen = _joints(frames.turns[some.choice(len(frames.turns), count, p=frames.shown)]).reshape(count, -1)
    lines = []
    for name, turns in sets.items():
        world, joints = place_joints(turns, load_body().rest_points(np.zeros(10))[:24])
        flat, held_out = joints.reshape(count, -1), thin.reshape(len(thin), -1)
        near, (p, r) = precision_recall(flat, seen)[0], precision_recall(flat, held_out)
        hurt = (capsules.deepest(world, joints)[0] > TOLERANCE).mean()
        lines.append([name, *(f"{value:.2f}" for value in (near, p, r, reach(joints, real, 7))), f"{hurt:.3f}"])
    print(table(_HEAD, lines, numbers=1))


if __name__ == "__main__":
    command(main)
