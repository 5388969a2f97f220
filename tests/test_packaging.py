"""The wheel: data and weights in, tests out, and `skep doctor` runs from it alone."""

import subprocess
import sys
import zipfile
from pathlib import Path

from pipeline import doctor

ROOT = Path(__file__).parent.parent
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


def _build(folder: Path) -> Path:
    """From a copy: building in the tree would leave its scraps there."""
    source = folder / "source"
    source.mkdir()
    tracked = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    names = [n for n in tracked if n and (ROOT / n).is_file()] or [str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file()]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    subprocess.run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)], check=True)
    return next(folder.glob("skep-*.whl"))


def test_a_driver_that_hangs_is_as_good_as_none(monkeypatch):
    monkeypatch.setattr(doctor, "PATIENCE_S", 1)
    monkeypatch.setattr(doctor, "GL_PROBE", "while True: pass")
    name, fine, said = doctor._gl()
    assert (name, fine) == ("gl", False) and "pyrender cannot render" in said


def test_wheel_holds_data_and_no_tests_and_runs(tmp_path):
    wheel = _build(tmp_path)
    names = zipfile.ZipFile(wheel).namelist()
    assert {"manifests/recipes/demo.yaml", "stages/body/data/body.npz", "pipeline/cli.py"} <= set(names)
    assert {f"pipeline/report/data/{name}" for name in ("page.html", "page.js", "three.min.js", "three.LICENSE")} <= set(names)
    bundled = [
        p.relative_to(ROOT).as_posix()
        for room in ("stages", "estimator")
        for p in sorted(ROOT.glob(f"{room}/**/weights/**/*"))
        if p.is_file()
    ]
    assert set(bundled) <= set(names)
    assert not [n for n in names if n.startswith(("tests", "docs"))]
    site = tmp_path / "site"
    subprocess.run([*PIP, "install", "--no-deps", "--target", str(site), str(wheel)], check=True)
    code = f"import sys; sys.path.insert(0, {str(site)!r}); import pipeline.cli as c; print(c.__file__); c.app(['doctor'])"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(site))
    assert "ok  body" in done.stdout
