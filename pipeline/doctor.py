"""What this machine has: Python and packages, GL, GPU, Ray, the body, weights, disk."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

PACKAGES = ("torch", "diffusers", "transformers", "ray", "webdataset", "pyarrow", "numpy", "numba", "pyrender", "smplx")

# In a process of its own, as a broken GL stack may end the process that asks.
PATIENCE_S = 120
GL_PROBE = "import pyrender; r = pyrender.OffscreenRenderer(8, 8); r.delete()"
BFLOAT16_PROBE = "import torch; print(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())"
GPU_PROBE = "import torch; n = torch.cuda.device_count(); print(*[torch.cuda.get_device_name(i) for i in range(n)], sep=', ')"


def findings() -> Iterator[tuple[str, bool, str]]:
    """(what, is it there, one sentence) for each thing that SKEP can make use of."""
    yield "python", sys.version_info >= (3, 11), f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    for name in PACKAGES:
        yield _package(name)
    yield "cpu", True, f"{os.cpu_count()} cores, {_memory_gb():.0f} GB of memory"
    yield _bfloat16()
    yield _gpu()
    yield _gl()
    yield _body()
    yield _weights()
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    yield "disk", free > 2, f"{free:.0f} GB free here"


def _package(name: str) -> tuple[str, bool, str]:
    if importlib.util.find_spec(name) is None:
        return name, False, "not installed"
    return name, True, importlib.metadata.version(name)


def _memory_gb() -> float:
    import psutil

    return psutil.virtual_memory().total / 1e9


def _probe(code: str) -> subprocess.CompletedProcess:
    env = {"PYOPENGL_PLATFORM": "egl", "PYGLET_HEADLESS": "1", **os.environ}
    command = [sys.executable, "-c", code]
    try:
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:  # a driver that hangs is of no use
        return subprocess.CompletedProcess(command, 1, "", "")


def _bfloat16() -> tuple[str, bool, str]:
    fast = _probe(BFLOAT16_PROBE).stdout.strip() == "True"
    return "bfloat16", fast, "fast on this CPU" if fast else "this CPU has no instructions for it: 2 to 25 times slower than float32"


def _gpu() -> tuple[str, bool, str]:
    names = _probe(GPU_PROBE).stdout.strip()
    return "gpu", bool(names), names or "none that torch can use; everything runs on the CPU"


def _gl() -> tuple[str, bool, str]:
    if _probe(GL_PROBE).returncode == 0:
        return "gl", True, "pyrender can render off screen"
    return "gl", False, "pyrender cannot render (Debian: apt-get install libegl1 libgl1); only shaded pictures need it"


def _body() -> tuple[str, bool, str]:
    file = resources.files("stages") / "body" / "data" / "body.npz"
    if not file.is_file():
        return "body", False, "the bundled body is missing; `make body` builds it"
    return "body", True, f"bundled, {len(file.read_bytes()) / 1e6:.1f} MB"


def _weights() -> tuple[str, bool, str]:
    found = [
        str(path.relative_to(root))
        for root in _package_folders()
        for folder in sorted(root.rglob("weights"))
        for path in sorted(folder.iterdir())
        if path.is_dir() or path.suffix == ".safetensors"
    ]
    return "weights", True, ", ".join(found) or "none bundled; the renderer needs none and the estimator trains its own"


def _package_folders() -> list[Path]:
    return [Path(str(resources.files(name))) for name in ("stages", "estimator")]
