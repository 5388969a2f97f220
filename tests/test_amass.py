"""AMASS recordings: their layouts, and one sentence for what is wrong or damaged."""

import io
import zipfile

import numpy as np
import pytest

from manifests.errors import UserError
from manifests.recipe import AmassSource
from stages.body.files import read_body
from stages.body.model import load_body
from stages.body.rotations import axis_angle_from_matrix
from stages.poses.amass import gender_of
from stages.poses.clips import Catalogue


def recording(frames=40, width=156, rate="mocap_framerate", **more):
    poses = np.zeros((frames, width))
    poses[:, 0] = np.pi / 2  # AMASS has z up
    poses[:, 3 * 18] = np.linspace(0, 1, frames)
    return {"poses": poses, rate: np.array(120.0), "betas": np.arange(16) / 8, "gender": np.array("female"), **more}


def read_recording(folder, arrays, **more):
    np.savez_compressed(folder / "walk_poses.npz", **{k: v for k, v in arrays.items() if v is not None})
    return Catalogue(AmassSource(kind="amass", path=folder, rate=12, **more)).read("walk_poses")


@pytest.mark.parametrize(("width", "rate"), [(156, "mocap_framerate"), (165, "mocap_frame_rate"), (72, "mocap_framerate")])
def test_amass_layouts(tmp_path, width, rate):
    clip = read_recording(tmp_path, recording(width=width, rate=rate))
    assert clip.turns.shape == (4, 24, 3, 3)  # 40 frames at 120 a second, 12 a second wanted
    assert np.abs(clip.turns[:, 0] - np.eye(3)).max() < 1e-9
    assert axis_angle_from_matrix(clip.turns)[2, 18] == pytest.approx([20 / 39, 0, 0])
    assert clip.gender == "female"
    assert clip.betas == pytest.approx(np.arange(10) / 8)


STANDING, LYING = np.zeros((40, 156)), np.full((40, 3), (0.3, 0.9, 0.15))  # the root as it is: the trunk along y


@pytest.mark.parametrize(
    ("changes", "up"),
    [
        ({}, "z"),
        ({"trans": np.full((40, 3), (0.3, 0.2, 0.9))}, "z"),
        ({"poses": STANDING}, "y"),
        ({"poses": STANDING, "trans": np.full((40, 3), (0.3, 1.1, -2.0))}, "y"),
        ({"poses": STANDING, "trans": np.zeros(40)}, "y"),
        ({"poses": STANDING, "trans": LYING}, "z"),
    ],
)
def test_the_axis_that_points_up_is_found(tmp_path, changes, up):
    found, told = (read_recording(tmp_path, recording(**changes), up=axis) for axis in ("auto", up))
    assert np.array_equal(found.turns, told.turns)
    other = read_recording(tmp_path, recording(**changes), up="yz"[up == "y"])
    assert np.abs(found.turns[:, 0] - other.turns[:, 0]).max() > 0.5


def test_genders(tmp_path):
    assert read_recording(tmp_path, recording(), genders=("female",)).gender == "female"
    assert read_recording(tmp_path, recording(gender=np.array(b"female")), genders=("female",)).gender == "female"
    assert read_recording(tmp_path, recording(gender=np.array(None)), genders=("unknown", "male")).gender == "unknown"
    with pytest.raises(UserError, match="holds no amass recordings"):
        read_recording(tmp_path, recording(), genders=("male",))


def header_of(shape, descr="<f8"):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def put(path, key, content):
    """A member as it is, beside those of an archive."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"{key}.npy", content)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"poses": None}, "poses is missing"),
        ({"mocap_framerate": None}, "mocap_framerate is missing"),
        ({"mocap_framerate": np.array(0.0)}, r"a frame rate of 0\.0 cannot be"),
        ({"mocap_framerate": np.zeros(0)}, r"a frame rate of 0\.0 cannot be"),
        ({"poses": np.zeros((4, 60))}, r"poses has shape \(4, 60\)"),
        ({"poses": np.zeros((0, 156))}, "poses has shape"),
        ({"poses": np.full((4, 156), np.nan)}, "poses holds a value that is not finite"),
        ({"poses": np.array([None, {}])}, "poses holds object, expected numbers"),
        ({"betas": np.full(10, np.inf)}, "betas holds a value that is not finite"),
    ],
)
def test_bad_amass_is_one_sentence(tmp_path, changes, sentence):
    with pytest.raises(UserError, match=rf"walk_poses\.npz: {sentence}"):
        read_recording(tmp_path, recording(**changes))


def test_a_header_that_lies_allocates_nothing(tmp_path):
    lie, said = header_of((10**9, 156)) + bytes(64), r"claims the shape \(1000000000, 156\), 1248000000000 bytes, and holds 64"
    put(tmp_path / "a.npz", "poses", lie)
    catalogue = Catalogue(AmassSource(kind="amass", path=tmp_path))
    with pytest.raises(UserError, match=rf"a\.npz: poses {said}"):
        catalogue.read("a")
    put(tmp_path / "body.npz", "weights", lie)
    with pytest.raises(UserError, match=rf"body\.npz: weights {said}"):
        load_body(tmp_path / "body.npz")
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:50])
    with pytest.raises(UserError, match=r"a\.npz: cannot read this recording"):
        catalogue.read("a")


def test_a_word_that_lies_is_unknown(tmp_path):
    read_recording(tmp_path, recording(gender=None))
    put(tmp_path / "walk_poses.npz", "gender", header_of((10**12,), "<U9") + bytes(36))
    assert Catalogue(AmassSource(kind="amass", path=tmp_path)).read("walk_poses").gender == "unknown"


@pytest.mark.parametrize("text", ["{'shape': (", "{1: 2, 'a': 3}", "-" * 9900, "{'descr': (), 'fortran_order': False, 'shape': (4,)}"])
def test_a_header_that_is_none_is_one_sentence(tmp_path, text):
    header = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(64)
    put(tmp_path / "a.npz", "poses", header)
    with pytest.raises(UserError, match=r"a\.npz: poses is damaged"):
        Catalogue(AmassSource(kind="amass", path=tmp_path)).read("a")
    put(tmp_path / "body.npz", "weights", header)
    with pytest.raises(UserError, match=r"body\.npz: weights is damaged"):
        load_body(tmp_path / "body.npz")


def damaged(path, where, value):
    """Puts a byte into every member: at its data, or at a place of its two headers."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name = info.filename.encode()
            local, central = info.header_offset, data.rindex(b"PK\x01\x02", 0, data.rindex(name))
            start = local + 30 + len(name) + int.from_bytes(data[local + 28 : local + 30], "little")
            places = {"data": (start,), "flags": (local + 6, central + 8), "packing": (local + 8, central + 10)}
            for place in places[where]:
                data[place] = value
    path.write_bytes(data)


@pytest.mark.parametrize(("where", "value"), [("data", 0xFF), ("flags", 1), ("packing", 99)])
def test_damage_within_an_archive_is_one_sentence(tmp_path, where, value):
    read_recording(tmp_path, recording())
    damaged(tmp_path / "walk_poses.npz", where, value)
    with pytest.raises(UserError, match=r"walk_poses\.npz: cannot read this recording"):
        Catalogue(AmassSource(kind="amass", path=tmp_path)).read("walk_poses")
    assert gender_of(tmp_path / "walk_poses.npz") == "unknown"
    body = tmp_path / "body.npz"
    np.savez_compressed(body, **read_body(None))
    damaged(body, where, value)
    with pytest.raises(UserError, match=r"body\.npz: cannot read this body file \(not an \.npz archive, or damaged\)"):
        load_body(body)
