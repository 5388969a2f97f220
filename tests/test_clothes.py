"""Garments: chosen at the stated rates, loose around the body, never hiding the pose."""

from dataclasses import replace
from math import sqrt

import cv2
import numpy as np
import pytest

from manifests import schema
from manifests.recipe_files import load_recipe
from pipeline.plan import Pipeline
from stages.body.figure import Figure, make_figure
from stages.body.model import load_body
from stages.sketches.drawing import lines, wardrobe
from stages.sketches.drawing.clothes import dress
from stages.sketches.drawing.dressed import HAIR, HAT, SKIN, Dressed
from stages.sketches.drawing.wardrobe import RATES, Look, choose_look
from stages.sketches.stage import head_turn
from tests.batch import through

LABELS = ("pose", "betas", "bone_scales", "transl", "camera_K")
FOLLOWING = ("trousers", "suit", "bare")  # outfits that stay with the limbs
LOOSEST = 0.1  # metres from the body


@pytest.fixture(scope="module")
def figures() -> list[tuple[Figure, np.ndarray]]:
    """Drawn poses of all kinds, with the head's rotation."""
    pipeline, body = Pipeline(load_recipe("demo")), load_body()
    stages = [kind(pipeline.configs[kind.name]) for kind in pipeline.stages[:2]]
    known, _ = through(stages, [f"cartoon-{i:06d}" for i in range(48)])
    rows = [{name: row[name] for name in LABELS} for row in schema.rows_of(known)]
    return [(make_figure(body, **row, size=256), head_turn(row["pose"])) for row in rows]


@pytest.fixture(scope="module")
def dressed(figures) -> list[tuple[Figure, Dressed]]:
    return [(figure, dress(figure, choose_look(np.random.default_rng(seed)), turn)) for seed, (figure, turn) in enumerate(figures)]


def between(table: dict[str, tuple[float, float]], value: float) -> str:
    return next(kind for kind, (low, high) in table.items() if low <= value <= high)


def kinds_of(look: Look) -> dict[str, str]:
    """The choice that a look shows of every option that concerns it."""
    own = {
        "outfit": look.outfit, "fit": between(wardrobe.EASE, look.ease), "legs": between(wardrobe.LEG, look.leg), "leg_cut": look.leg_cut,
        "sleeve_cut": look.sleeve_cut, "hem": between(wardrobe.HEM, look.hem), "neckline": look.neckline_cut,
        "coat": between(wardrobe.COAT, look.coat), "front": "open" if look.open else "closed",
        "feet": between(wardrobe.BOOT, look.boot), "hair": look.hair_shape, "hat": look.hat,
        "hair_colour": "dyed" if look.hair.name in {"blue", "pink", "green", "violet"} else "natural",
    }  # fmt: skip
    if look.outfit != "coat":
        own["sleeves"] = between(wardrobe.SLEEVE, look.sleeve)
        own["pattern"] = "stripes" if look.stripes else "dots" if look.dots else "plain"
    return own


def test_every_option_is_drawn_at_its_stated_rate():
    rng = np.random.default_rng(0)
    drawn = [kinds_of(choose_look(rng)) for _ in range(4000)]
    for option, rates in RATES.items():
        concerned = [kinds[option] for kinds in drawn if option in kinds]
        assert abs(sum(rates.values()) - 1) < 1e-9 and len(concerned) > 3000
        for kind, rate in rates.items():
            assert abs(concerned.count(kind) - rate * len(concerned)) < 4 * sqrt(len(concerned) * rate * (1 - rate)), (option, kind)


def test_the_body_stays_covered(dressed):
    for figure, worn in dressed:
        assert worn.mask[figure.part > 0].all()
        assert (worn.depth[figure.part > 0] <= figure.depth[figure.part > 0] + 1e-6).all()


def test_cloth_around_limbs_stays_near_them(figures):
    for seed, (figure, turn) in enumerate(figures):
        look = replace(choose_look(np.random.default_rng(seed)), outfit=FOLLOWING[seed % 3], hair_shape="bald", hat="none", ease=0.045)
        worn = dress(figure, look, turn)
        outside = cv2.distanceTransform((figure.part == 0).astype(np.uint8), cv2.DIST_L2, 5)[worn.mask]
        metres = outside * worn.depth[worn.mask] / figure.camera_K[0, 0]
        assert metres.max(initial=0) < LOOSEST, (seed, metres.max())
        assert (outside > 1).sum() > 0 or look.outfit == "bare"


def test_hands_come_out_of_sleeves(dressed):
    for figure, worn in dressed:
        hand = np.isin(figure.part, [21, 22, 23, 24]) & ~np.isin(worn.region, [HAIR, HAT])
        palm = np.isin(figure.part, [23, 24]) & hand
        assert palm.sum() > 20 and (worn.region[palm] == SKIN).mean() > 0.9


def test_limbs_that_the_body_shows_stay_readable(dressed):
    """Forearms in front of other things keep their piece, so that their outlines are drawn."""
    kept = []
    for figure, worn in dressed:
        for part, piece in ((19, lines.ARMS[0][1]), (20, lines.ARMS[1][1])):
            seen = figure.part == part
            if seen.sum() > 30:
                kept.append((worn.piece[seen] == piece).mean())
    assert np.mean(kept) > 0.95 and np.quantile(kept, 0.05) > 0.6


def test_cloth_that_cannot_hang_is_replaced(figures):
    hung = []
    for figure, turn in figures:
        look = replace(choose_look(np.random.default_rng(3)), outfit="skirt")
        worn = dress(figure, look, turn)
        hung.append(worn.look.outfit == "skirt")
        assert worn.look.outfit in ("skirt", "trousers")
        assert not (worn.piece == lines.SKIRT).any() or hung[-1]
    assert 0.5 < np.mean(hung) < 1


def test_hair_and_hats_leave_a_face_that_looks_at_the_viewer(figures):
    tried = 0
    for seed, (figure, turn) in enumerate(figures):
        worn = dress(figure, replace(choose_look(np.random.default_rng(seed)), hat=("none", "beanie", "brim")[seed % 3]), turn)
        for left, up in ((-0.35, 0.0), (0.35, 0.0), (0.0, -0.45)):
            x, y = np.floor(worn.head.on(left, up)).astype(int)
            inside = min(x, y) >= 0 and max(x, y) < 256
            if worn.head.sees_viewer(left, up) > 0.9 and inside and figure.part[y, x] == 16:
                tried += 1
                assert worn.piece[y, x] == lines.HEAD, (seed, left, up)
    assert tried > 20


def test_hats_sit_on_the_head(figures):
    for figure, turn in figures:
        for hat in ("beanie", "brim"):
            worn = dress(figure, replace(choose_look(np.random.default_rng(1)), hat=hat, hair_shape="bald"), turn)
            shown = (worn.region == HAT).astype(np.uint8)
            skull = cv2.dilate((figure.part == 16).astype(np.uint8), np.ones((3, 3), np.uint8))
            count, _, _, _ = cv2.connectedComponentsWithStats(shown)
            assert (shown & skull).any()
            assert count <= 3
