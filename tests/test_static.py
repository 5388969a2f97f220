"""Rules that the code itself must keep: what reaches the data depends on names alone; imports point one way."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("manifests", "stages", "estimator", "pipeline")

LISTING = r"\b(os\.listdir|os\.scandir|glob\.glob|[\w.]+\.(iterdir|rglob|glob))\("
# What may not stand in code that makes data, and why.
BANNED = {
    r"\btime\.(time|time_ns|ctime|localtime|gmtime|strftime)\b|\bdatetime\b": "wall clock",
    r"\buuid\b|\bsecrets\b|\bos\.urandom\b": "differs from run to run",
    r"(?<![\w.])hash\(": "differs from process to process",
    r"(?<![\w.])random\.\w|\bnp\.random\.(?!default_rng|Generator|Philox)\w": "global random state",
    r"\b(default_rng|Philox)\(\s*(None)?\s*\)": "unseeded",
    r"\btorch\.(manual_seed|rand\w*|normal|bernoulli|multinomial|\w+n_like|rand\w*_like)\((?!.*generator)": "global random state",
    r"(?<!init)\.(normal|uniform|random|bernoulli|exponential)_\((?!.*generator)": "global random state",
    r"from time import|from random import": "by another name",
    rf"^(?!.*sorted\(.*{LISTING}).*{LISTING}": "unsorted listing",
}
# What the rules are there to catch, a line each.
SINS = """
    made = time.time()
    name = uuid.uuid4()
    key = hash(name)
    x = random.random()
    np.random.random(3)
    np.random.standard_normal(3)
    rng = np.random.default_rng()
    rng = np.random.default_rng(None)
    rng = np.random.Generator(np.random.Philox())
    noise = torch.randn(3)
    noise = torch.randn_like(y)
    noise = torch.normal(mean, std)
    kept = torch.bernoulli(p)
    w.normal_()
    from time import time
    for path in folder.iterdir():
    for path in a.glob('*'): x(sorted(path))
    names = os.listdir(folder)
""".strip().splitlines()
# Code that plans, reports or trains draws no data; it keeps to the rules that concern it by tests of its own.
MAKES_DATA = ("manifests", "stages", "pipeline/plan.py", "pipeline/work.py", "pipeline/tables.py", "pipeline/commit.py")


def _sources(*parts):
    for part in parts:
        path = ROOT / part
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def _code_lines(path):
    """(line number, code) without comments and docstrings."""
    tree = ast.parse(path.read_text())
    docs = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docs.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if number not in docs:
            yield number, line.split("#")[0]


@pytest.mark.parametrize(("pattern", "why"), BANNED.items())
def test_nothing_that_changes_from_run_to_run_reaches_the_data(pattern, why):
    hits = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()} ({why})"
        for path in _sources(*MAKES_DATA)
        if not path.match("stages/body/bundle/*")
        for number, line in _code_lines(path)
        if re.search(pattern, line)
    ]
    assert not hits


@pytest.mark.parametrize("line", SINS)
def test_the_rules_catch_what_they_are_for(line):
    assert any(re.search(pattern, line.strip()) for pattern in BANNED)


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)


def test_imports_point_one_way():
    """manifests <- stages <- estimator; pipeline knows manifests, and the rest only through the registry; cli knows all."""
    may = {"manifests": {"manifests"}, "stages": {"manifests", "stages"}, "estimator": {"manifests", "stages", "estimator"}}
    for package in PACKAGES:
        for path in _sources(package):
            name = path.relative_to(ROOT).as_posix()
            allowed = may.get(package, {"manifests", "pipeline"} | ({"estimator", "stages"} if name == "pipeline/cli.py" else set()))
            wrong = set(_imports(path)) & set(PACKAGES) - allowed
            assert not wrong, f"{name} imports {wrong}"


def test_help_loads_neither_stages_nor_torch():
    code = (
        "import sys, pipeline.cli as c\n"
        "try: c.app(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'numpy', 'pyarrow', 'ray', 'diffusers', 'stages') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert out.strip().endswith("[]")


def test_what_is_said_of_a_run_waits_for_no_network():
    """Only workers load torch and models: seconds, for `skep status` and its like."""
    code = (
        "import sys, pipeline.show, pipeline.status, pipeline.cost\n"
        "from manifests.recipe_files import load_recipe\n"
        "from pipeline.plan import Pipeline\n"
        "Pipeline(load_recipe('demo'))\n"
        "print([m for m in ('torch', 'transformers', 'diffusers', 'ray') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    assert out.strip() == "[]"


def test_no_code_comes_from_data():
    """Nothing unpickles, evaluates, or runs a shell."""
    bad = r"pickle\.loads?\(|torch\.load\(|allow_pickle=True|trust_remote_code=True|shell=True|(?<![\w.])eval\(|(?<![\w.])exec\("
    hits = [f"{p.relative_to(ROOT)}:{n}" for p in _sources(*PACKAGES) for n, line in _code_lines(p) if re.search(bad, line)]
    assert not hits


def test_tables_are_read_without_threads_of_arrow():
    """pq.read_table starts threads whatever it is told, and a process that ends beside them aborts now and then."""
    hits = [f"{p.relative_to(ROOT)}:{n}" for p in _sources(*PACKAGES) for n, line in _code_lines(p) if "pq.read_table(" in line]
    assert not hits
