"""The drawing renderer: deterministic, varied, and faithful to the pose it draws."""

from dataclasses import replace
from xml.etree import ElementTree

import cv2
import numpy as np
import pyarrow as pa
import pytest

from manifests import schema
from manifests.recipe import Recipe
from manifests.skeleton import EDGES, LIMB_PAIRS, LIMBS, STYLES
from manifests.stage import Config, Context
from stages.body.camera import FRONT, intrinsics
from stages.body.figure import Figure, make_figure
from stages.body.model import load_body
from stages.projections.labels import VISIBLE, limb_order, visibility
from stages.sketches.drawing import anatomy, draw, lines, options, overlap, wardrobe
from stages.sketches.drawing.clothes import dress
from stages.sketches.drawing.layer import Fill, Stroke, blank
from stages.sketches.stage import Sketches, head_turn

SIZE = 256
BODY = load_body(None)

SKIN_TIGHT = {"ease": 0.0, "leg_cut": "tapered", "sleeve_cut": "straight", "neckline_cut": "round"}


def random_labels(seed: int) -> dict[str, np.ndarray]:
    """Labels of a figure that strides, reaches, or bends, in the middle of the picture."""
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 0.12, (24, 3))
    pose[[1, 2], 0] -= np.abs(rng.normal(0, 0.6, 2))
    pose[[4, 5], 0] = np.abs(rng.normal(0, 0.6, 2))
    pose[[16, 17], 2] = rng.normal(-0.7, 0.4), rng.normal(0.7, 0.4)
    turn = cv2.Rodrigues(np.array([0, rng.normal(0, 0.5), 0]))[0]
    pose[0] = cv2.Rodrigues(FRONT @ turn)[0][:, 0]
    scales = np.exp(rng.normal(0, 0.08, 24))
    betas = rng.normal(0, 0.7, 10)
    vertices = BODY.vertices(pose, betas, scales)
    low, high = vertices.min(0), vertices.max(0)
    focal = 0.82 * SIZE * 5 / (high - low)[:2].max()
    transl = np.array([0, 0, 5.0]) - (low + high) / 2
    return {"pose": pose, "betas": betas, "bone_scales": scales, "transl": transl, "camera_K": intrinsics(focal, SIZE)}


def figure_of(labels: dict[str, np.ndarray], size: int = SIZE) -> Figure:
    K = labels["camera_K"] * np.array([[size / SIZE], [size / SIZE], [1]])
    return make_figure(BODY, labels["pose"], labels["betas"], labels["bone_scales"], labels["transl"], K, size)


@pytest.fixture(scope="module")
def figures() -> list[Figure]:
    return [figure_of(random_labels(seed)) for seed in range(6)]


def ink_of(image: np.ndarray) -> np.ndarray:
    """Pixels that differ from a sheet's commonest colour."""
    paper = np.median(image.reshape(-1, 3), axis=0)
    return np.abs(image.astype(int) - paper).max(-1) > 30


@pytest.mark.parametrize("style", STYLES)
def test_same_seed_same_picture_and_other_seeds_differ(figures, style):
    one, again, other = (draw(figures[0], style, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert one.image.tobytes() == again.image.tobytes() and one.appearance == again.appearance
    assert one.image.shape == (SIZE, SIZE, 3) and one.image.dtype == np.uint8
    assert (one.image != other.image).any(-1).mean() > 0.02


@pytest.mark.parametrize("style", STYLES)
def test_any_size_is_the_same_drawing_on_any_number_of_threads(figures, style):
    threads = cv2.getNumThreads()
    for seed, figure in enumerate(figures[:3]):
        cv2.setNumThreads(1)
        plain, large, small = (draw(figure, style, np.random.default_rng(seed), size=size).image for size in (256, 512, 128))
        cv2.setNumThreads(threads)
        assert large.tobytes() == draw(figure, style, np.random.default_rng(seed), size=512).image.tobytes()
        for other in (large, small):
            fitted = cv2.resize(other, (256, 256), interpolation=cv2.INTER_AREA if len(other) > 256 else cv2.INTER_CUBIC)
            alike = np.corrcoef(cv2.GaussianBlur(fitted, (0, 0), 1.5).ravel(), cv2.GaussianBlur(plain, (0, 0), 1.5).ravel())[0, 1]
            assert alike > 0.97, (seed, len(other))
        back = cv2.resize(cv2.resize(large, (256, 256), interpolation=cv2.INTER_AREA), (512, 512), interpolation=cv2.INTER_CUBIC)
        assert np.abs(large.astype(int) - back).mean() > 0.2  # finer: not the small picture blown up


def test_the_renderer_refuses_buffers_of_another_size():
    with pytest.raises(ValueError, match="128 pixels"):
        draw(figure_of(random_labels(1), 128), "ink", np.random.default_rng(0))


@pytest.mark.parametrize("style", STYLES)
def test_a_figure_half_or_wholly_outside_is_still_a_picture(style):
    for aside in (0.9, 50.0):
        labels = random_labels(4)
        labels["transl"] = labels["transl"] + np.array([aside, 0, 0])
        for seed in range(4):
            assert draw(figure_of(labels), style, np.random.default_rng(seed), size=64).image.shape == (64, 64, 3)


@pytest.mark.parametrize("style", STYLES)
def test_svg_holds_the_strokes(figures, style):
    drawing = draw(figures[0], style, np.random.default_rng(0))
    root = ElementTree.fromstring(drawing.svg())
    paths = [element.get("d", "") for element in root.iter("{http://www.w3.org/2000/svg}path")]
    assert root.get("viewBox") == "0 0 256 256" and len(paths) > 8
    numbers = np.array([float(n) for path in paths for n in path.replace("M", " ").replace("L", " ").replace("Z", " ").split()])
    assert np.isfinite(numbers).all()
    painted = np.zeros((256, 256), np.uint8)
    for path in paths:
        for ring in path.strip("MZ").split("Z M"):
            points = np.array([[float(v) for v in pair.split()] for pair in ring.split("L")])
            cv2.fillPoly(painted, [np.round(points).astype(np.int32)], 1)
    assert painted[cv2.erode((figures[0].part > 0).astype(np.uint8), np.ones((3, 3))) > 0].mean() > (
        0.08 if style in ("stick", "charcoal") else 0.3
    )


def test_options_come_at_their_stated_rates():
    rng, count = np.random.default_rng(0), 4000
    for style, table in options.RATES.items():
        drawn = [options.choose(style, rng) for _ in range(count)]
        for name, rates in table.items():
            assert abs(sum(rates.values()) - 1) < 1e-9
            for value, rate in rates.items():
                seen = np.mean([chosen[name] == value for chosen in drawn])
                assert abs(seen - rate) < 4 * np.sqrt(rate * (1 - rate) / count) + 1e-9, (style, name, value)


def plain_options(monkeypatch, style: str, **fixed: str) -> None:
    """Nothing around the figure, nothing on its face, as the test wants the rest."""
    bare = {"face", "floor", "hatching", "hands", "hair", "sun", "grass", "house", "flowers", "clouds", "capture", "seal"}
    table = {n: {"none": 1.0} if n in bare and "none" in r else {next(iter(r)): 1.0} for n, r in options.RATES[style].items()}
    monkeypatch.setitem(options.RATES, style, {**table, **{name: {value: 1.0} for name, value in fixed.items()}})


def stroke_points(drawing) -> np.ndarray:
    return np.concatenate([mark.shape.points[mark.shape.ink > 0] for mark in drawing.canvas.marks if isinstance(mark.shape, Stroke)])


def from_nearest(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.sqrt(((points[:, None] - others[None]) ** 2).sum(-1).min(1))


@pytest.mark.parametrize("style", ["cartoon", "ink", "charcoal", "contour"])
def test_outlines_stray_no_farther_than_the_style_says(figures, style, monkeypatch):
    style, kind = ("charcoal", {"kind": "contour"}) if style == "contour" else (style, {"kind": "shaded"} if style == "charcoal" else {})
    plain_options(monkeypatch, style, **kind)
    for seed, figure in enumerate(figures[:4]):
        drawing = draw(figure, style, np.random.default_rng(seed))
        dressed = dress(figure, look_of(style, seed))
        traced = np.concatenate([line.points for line in lines.trace(dressed, 2)])
        assert from_nearest(stroke_points(drawing), traced).max() < options.DRIFT[style]


def look_of(style: str, seed: int) -> wardrobe.Look:
    """The look that `draw` gives with this seed."""
    rng = np.random.default_rng(seed)
    options.choose(style, rng)
    return wardrobe.choose_look(rng)


@pytest.mark.parametrize("style", ["stick", "kids"])
def test_bones_stray_no_farther_than_the_style_says(figures, style, monkeypatch):
    plain_options(monkeypatch, style, **({"limbs": "lines"} if style == "kids" else {}))
    for seed, figure in enumerate(figures):
        points = stroke_points(draw(figure, style, np.random.default_rng(seed)))
        joints = figure.joints16_2d
        limbs = [joints[a] + t * (joints[b] - joints[a]) for a, b in EDGES[1:] if {a, b} != {1, 8} for t in np.linspace(0.1, 0.9, 5)]
        away = np.linalg.norm(np.array(limbs) - joints[0], axis=1) > 60  # what the head does not cover
        own = [i for i, (a, b) in enumerate(EDGES[1:]) for _ in range(5) if {a, b} != {1, 8}]
        arms_and_legs = np.isin(own, [i for i, (a, b) in enumerate(EDGES[1:]) if {a, b} <= {3, 4, 6, 7, 9, 10, 12, 13}])
        assert from_nearest(np.array(limbs)[away & arms_and_legs], points).max() < options.DRIFT[style]


def test_visible_joints_lie_in_the_figure():
    inside = []
    for seed in range(60):
        figure = figure_of(random_labels(seed))
        mask = dress(figure, wardrobe.choose_look(np.random.default_rng(seed))).mask
        mask = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) > 0  # toe tips lie on the very rim
        seen = visibility(figure.joints16_2d, figure.part) == VISIBLE
        inside += [mask[y, x] for x, y in figure.joints16_2d[seen].astype(int)]
    assert len(inside) > 400 and np.mean(inside) >= 0.99


def test_what_is_hidden_leaves_no_trace(monkeypatch):
    """A hand behind the trunk is turned: where the buffers stay as they were, so does the picture."""
    monkeypatch.setitem(options.RATES["charcoal"], "kind", {"shaded": 1.0})  # construction draws through the figure
    tried = 0
    for seed in range(80):
        labels = random_labels(seed)
        labels["pose"][[16, 17], 1] += 0.9, -0.9  # arms behind the back
        figure, hand = figure_of(labels), 20 + seed % 2
        labels["pose"][hand] += 0.15
        turned = figure_of(labels)
        hidden = not np.isin([hand + 1, hand + 3], figure.part).any() and (figure.normal == turned.normal).all()
        if hidden and np.abs(figure.joints2d[hand + 2] - turned.joints2d[hand + 2]).max() > 0.5:
            tried += 1
            for style in ("cartoon", "oil", "ink", "charcoal") if tried < 3 else ("charcoal",):
                images = [draw(f, style, np.random.default_rng(9), np.eye(3)).image for f in (figure, turned)]
                assert images[0].tobytes() == images[1].tobytes()
    assert tried >= 3


def test_outlines_bound_what_is_seen(figures):
    """Pieces that no pixel shows have no line."""
    for seed, figure in enumerate(figures):
        dressed = dress(figure, wardrobe.choose_look(np.random.default_rng(seed)))
        assert {line.piece for line in lines.trace(dressed, 2) if line.edge} <= set(np.unique(dressed.piece[dressed.mask]).tolist())


@pytest.mark.parametrize("style", [s for s in STYLES if s != "oil"])
def test_ink_lies_near_visible_joints(figures, style):
    held = []
    for seed, figure in enumerate(figures):
        ink = cv2.dilate(ink_of(draw(figure, style, np.random.default_rng(seed)).image).astype(np.uint8), np.ones((25, 25)))
        for x, y in figure.joints16_2d[:14].astype(int):
            held.append(ink[y, x] > 0)
    assert np.mean(held) >= 0.95


def test_clothes_cover_the_body_and_stay_near_it(figures):
    for seed, figure in enumerate(figures):
        dressed, body = dress(figure, wardrobe.choose_look(np.random.default_rng(seed))), figure.part > 0
        near = cv2.dilate(body.astype(np.uint8), np.ones((61, 61))) > 0
        assert dressed.mask[body].all()
        assert not (dressed.mask & ~near).any()


def test_oil_stands_out_from_its_ground(figures):
    """The body's pixels are painted in other colours than the ground around them."""
    for seed, figure in enumerate(figures):
        image = draw(figure, "oil", np.random.default_rng(seed)).image.astype(float)
        body = cv2.erode((figure.part > 0).astype(np.uint8), np.ones((3, 3))) > 0
        ring = (cv2.dilate(body.astype(np.uint8), np.ones((31, 31))) > 0) & (figure.part == 0)
        ground = image[ring].mean(0)
        assert np.abs(image[body] - ground).max(1).mean() > 1.3 * np.abs(image[ring] - ground).max(1).mean()


def test_cartoon_outlines_lie_on_the_projected_body(figures):
    for seed, figure in enumerate(figures):
        look = replace(wardrobe.choose_look(np.random.default_rng(seed)), hair_shape="bald", hat="none", outfit="trousers", **SKIN_TIGHT)
        dressed = dress(figure, look)
        traced = [line.points for line in lines.trace(dressed, 4) if line.edge]
        outside = cv2.distanceTransform((figure.part == 0).astype(np.uint8), cv2.DIST_L2, 3)
        points = np.concatenate(traced).astype(int)
        assert outside[points[:, 1], points[:, 0]].max() < 3
        silhouette = cv2.morphologyEx((figure.part > 0).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3))) > 0
        canvas = np.ones(silhouette.shape, np.uint8)
        for line in traced:
            cv2.polylines(canvas, [line.astype(np.int32)], False, 0)
        assert (cv2.distanceTransform(canvas, cv2.DIST_L2, 3)[silhouette] < 4).mean() > 0.9


@pytest.mark.parametrize("style", ["stick", "kids"])
def test_head_circle_lies_on_the_head_joint(figures, style):
    """Around the head joint there is a radius at which nearly every direction holds ink."""
    turn = np.linspace(0, 2 * np.pi, 72)[:-1]
    for seed, figure in enumerate(figures):
        ink = cv2.dilate(ink_of(draw(figure, style, np.random.default_rng(seed)).image).astype(np.uint8), np.ones((5, 5)))
        rings = figure.joints16_2d[0] + np.arange(5, 50)[:, None, None] * np.stack([np.cos(turn), np.sin(turn)], 1)
        x, y = np.clip(rings, 0, SIZE - 1).astype(int).transpose(2, 0, 1)
        assert ink[y, x].mean(1).max() > 0.9, seed


def folded_labels(seed: int) -> dict[str, np.ndarray]:
    """Labels of a figure whose arms and legs go anywhere, before its head and trunk too."""
    labels, rng = random_labels(seed), np.random.default_rng(seed)
    labels["pose"][[1, 2, 4, 5, 16, 17, 18, 19]] += rng.normal(0, 0.9, (8, 3))
    return labels


def holds(area: np.ndarray, point: np.ndarray) -> bool:
    return cv2.pointPolygonTest(area.astype(np.float32), point.tolist(), False) > 0


@pytest.mark.parametrize(
    ("seed", "limb", "joint"),  # a wrist or an elbow before the head, a knee before the trunk
    [(47, (2, 3, 4), 4), (50, (5, 6, 7), 6), (83, (2, 3, 4), 4), (4, (11, 12, 13), 12), (9, (11, 12, 13), 12), (14, (8, 9, 10), 9)],
)
def test_a_child_paints_over_no_joint_that_is_labelled_visible(seed, limb, joint, monkeypatch):
    plain_options(monkeypatch, "kids")
    figure = figure_of(folded_labels(seed))
    assert visibility(figure.joints16_2d, figure.part)[joint] == VISIBLE
    painted = draw(figure, "kids", np.random.default_rng(seed)).canvas.marks
    areas = [mark.shape.outlines[0] for mark in painted if isinstance(mark.shape, Fill)]
    last = [area for area in areas if holds(area, figure.joints16_2d[joint])][-1]
    ends = figure.joints16_2d[list(limb)]
    assert all(holds(last, ends[1] + 0.7 * (end - ends[1])) for end in ends)  # the limb's own


def test_painting_order_follows_the_labels_of_crossing_limbs():
    kept = []
    for seed in range(40):
        figure = figure_of(folded_labels(seed))
        order = overlap.in_order(figure, 20)
        rank = {name: next(k for k, piece in enumerate(order) if np.isin(np.hstack(bone), piece).all()) for name, bone in LIMBS.items()}
        for (a, b), sign in zip(LIMB_PAIRS, limb_order(figure.joints16, figure.camera_K), strict=True):
            kept += [(rank[a] > rank[b]) == (sign < 0)] if sign else []
    assert len(kept) > 30 and np.mean(kept) > 0.97


def test_head_axes_follow_the_pose():
    labels = random_labels(1)
    turn = head_turn(labels["pose"])
    assert np.allclose(turn @ turn.T, np.eye(3)) and np.isclose(np.linalg.det(turn), 1)
    figure = figure_of(labels)
    head = anatomy.head_of(figure, turn)
    assert np.allclose(head.place, figure.joints16_2d[0])
    assert head.up @ (figure.joints16[0] - figure.joints[anatomy.HEAD]) > 0
    guess = anatomy.head_of(figure)
    assert guess.front @ head.front > 0.7


def test_garments_end_along_the_limb(figures):
    figure = figures[0]
    look = replace(wardrobe.choose_look(np.random.default_rng(0)), outfit="trousers", leg=1.5, boot=3.0, hat="none", **SKIN_TIGHT)
    dressed, surface = dress(figure, look), anatomy.surface_of(figure)
    region = dressed.region[surface.rows, surface.columns]
    shin = np.isin(surface.part, [4, 5])
    assert (region[shin & (surface.along < 1.45)] == 3).all()
    assert (region[shin & (surface.along > 1.55)] == 1).all()


def test_stroke_width_is_what_the_pen_says():
    layer = blank(64)
    layer.stamp(np.array([[32.0, 128.0], [224.0, 128.0]]), np.full(2, 10.0), np.ones(2))
    assert abs(layer.ink[:, 32].sum() - 5) < 0.2


def _context(seed: int = 5) -> Context:
    return Context.alone(seed, "sketches")


def _table(count: int) -> pa.Table:
    labels = [random_labels(seed) for seed in range(count)]
    columns = {"sample_id": [f"{STYLES[i % 6]}-{i:06d}" for i in range(count)], "style": [STYLES[i % 6] for i in range(count)]}
    names = ("pose", "bone_scales", "transl", "camera_K")
    fields = [schema.PLANNED.field(n) for n in columns] + [schema.PROJECTIONS.field(n) for n in names] + [schema.POSES.field("betas")]
    arrays = {n: np.stack([row[n] for row in labels]) for n in (*names, "betas")}
    return schema.to_table(pa.schema(fields), {**columns, **arrays})


@pytest.fixture(scope="module")
def stage() -> Sketches:
    recipe = Recipe.model_validate({"name": "t", "poses": {"count": 6}, "sketches": {"source": "renderer"}})
    made = Sketches(Config(recipe, Sketches.config))
    made.setup("cpu")
    return made


def test_a_row_alone_equals_itself_in_a_batch(stage):
    table = _table(6)
    batch = stage.process(table, _context())
    assert batch.schema == schema.SKETCHES and set(batch["reason"].to_pylist()) == {""}
    for i in (5, 0):
        assert stage.process(table.slice(i, 1), _context()).to_pylist() == batch.slice(i, 1).to_pylist()
    assert stage.process(table.slice(0, 1), _context(6))["image"] != batch.slice(0, 1)["image"]


def test_preview_marks_the_joints(stage):
    row = stage.process(_table(1), _context()).to_pylist()[0]
    figure = figure_of(random_labels(0))
    shown = stage.preview({**row, "joints2d": figure.joints16_2d, "visibility": np.full(16, 2)})
    assert shown.shape == (SIZE, SIZE, 3)
    x, y = figure.joints16_2d[3].astype(int)
    assert tuple(shown[y, x]) == (40, 150, 70)


@pytest.mark.parametrize("kind", list(options.RATES["charcoal"]["kind"]))
def test_charcoal_says_what_it_draws(figures, kind, monkeypatch):
    """A drawing with words for clothes changes with the clothes, one without does not."""
    plain_options(monkeypatch, "charcoal", kind=kind)
    said = []
    for seed in range(8):
        drawings = []
        for outfit in ("bare", "dress"):
            monkeypatch.setattr(wardrobe, "RATES", {**wardrobe.RATES, "outfit": {outfit: 1.0}})
            drawings.append(draw(figures[seed % 6], "charcoal", np.random.default_rng(seed)))
        bare, dressed = drawings
        assert (bare.appearance != dressed.appearance) == (bare.image != dressed.image).any()
        said.append(dressed.appearance != "a figure")
    assert {"shaded": all(said), "contour": all(said), "gesture": not any(said), "construction": len(set(said)) == 2}[kind]


def test_looks_are_said_in_words():
    phrases = {wardrobe.choose_look(np.random.default_rng(seed)).words(True) for seed in range(60)}
    assert len(phrases) > 50
    assert all(p.startswith("a figure ") and " a orange" not in p and "  " not in p for p in phrases)
