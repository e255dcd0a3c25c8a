"""The house rules that a machine can keep: imports, sizes, what the service loads, and that nothing is undocumented."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from recsys import settings
from recsys.recommenders import RECOMMENDERS
from recsys.settings import attributes as attribute_settings
from recsys.settings import campaigns as campaign_settings
from recsys.settings import catalog as catalog_settings
from recsys.settings import experiments as experiment_settings
from recsys.settings import messages as message_settings
from recsys.settings import moments as moment_settings
from recsys.settings import placements as placement_settings
from recsys.settings import ranker as ranker_settings
from recsys.settings import shapes as shape_settings
from recsys.settings import spark as spark_settings
from recsys.settings import tables as table_settings
from recsys.settings import training as training_settings
from recsys.settings import variety as variety_settings
from recsys.settings import when as when_settings
from tests.conftest import SETTINGS, Shop
from tests.support.servers.patience import PATIENCE_SECONDS
from training.cli import reference
from training.cli.parser import parser

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*ROOT.glob("recsys/**/*.py"), *ROOT.glob("simulator/**/*.py"), *ROOT.glob("training/**/*.py")])


def run(*command: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE_SECONDS)


def test_imports_run_one_way() -> None:
    """The contracts of pyproject.toml hold: layers, no training in serving, one home per third party."""
    checked = run(
        sys.executable, "-c", "import sys; from importlinter.cli import lint_imports_command as main; main()", "--no-cache"
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert f"Contracts: {len(contracts)} kept, 0 broken." in checked.stdout


def test_no_folder_is_a_heap() -> None:
    """A folder of code holds sixteen modules at most; more are two subjects."""
    rooms = ("recsys", "training", "simulator", "tests", "benchmarks", "clients/python")
    files = [file for room in rooms for file in (ROOT / room).rglob("*.py") if file.name != "__init__.py"]
    count = Counter(str(file.parent.relative_to(ROOT)) for file in files)
    assert {folder: n for folder, n in count.items() if n > 16} == {}


ANSWERING = """
import sys
from pathlib import Path

from recsys.snapshot.store import SnapshotStore
from recsys.engine.pipeline import Engine, answer
from recsys.settings.load import load_settings
from recsys.types import Query
from recsys.web.app import create_app

settings = load_settings(sys.argv[1])
client = create_app(settings).test_client()
assert client.get("/v1/users/user-0/recommendations").status_code == 200
store = SnapshotStore(settings.path("artifacts"), lambda snapshot: Engine(snapshot, settings))
assert store.refresh(), store.error
engine = store.current
for name in settings.placement_names():
    history = engine.snapshot.histories.of("user-0")
    slate = answer(engine, Query(now=engine.snapshot.as_of, user_id="user-0", placement=name), history)
print(" ".join(sorted({*sys.modules} | {name.partition(".")[0] for name in sys.modules})))
"""


def test_the_service_loads_nothing_heavy(busy_shop: Shop) -> None:
    """A process that opens a snapshot, serves HTTP and answers everywhere loads no fitting library and no training."""
    busy_shop.publish()
    file = busy_shop.folder / "settings.toml"
    file.write_text(SETTINGS)
    done = run(sys.executable, "-W", "error", "-c", ANSWERING, str(file))
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert loaded >= {"recsys", "numpy", "flask"}
    assert not loaded & {
        "polars",
        "implicit",
        "lightgbm",
        "scipy.sparse",
        "rich",
        "pandas",
        "pyarrow",
        "pyspark",
        "threadpoolctl",
        "training",
        "tests",
    }


def settings_classes() -> Iterator[ast.ClassDef]:
    """Every class of settings."""
    files = {inspect.getfile(recommender) for recommender in RECOMMENDERS.values()} | {
        settings.__file__,
        attribute_settings.__file__,
        campaign_settings.__file__,
        when_settings.__file__,
        variety_settings.__file__,
        table_settings.__file__,
        shape_settings.__file__,
        catalog_settings.__file__,
        experiment_settings.__file__,
        message_settings.__file__,
        moment_settings.__file__,
        placement_settings.__file__,
        ranker_settings.__file__,
        spark_settings.__file__,
        training_settings.__file__,
    }
    for file in sorted(files):
        for node in ast.parse(Path(file).read_text()).body:
            bases = {ast.unparse(base) for base in node.bases} if isinstance(node, ast.ClassDef) else set()
            if isinstance(node, ast.ClassDef) and bases & {"Group", "RecommenderSettings"}:
                yield node


CLASSES = {node.name: node for node in settings_classes()}
"""Classes in which a setting has no line of its own yet."""


def test_every_recommender_has_its_settings() -> None:
    """The classes below are all that there are."""
    assert {recommender.Settings.__name__ for recommender in RECOMMENDERS.values()} <= set(CLASSES)
    assert {"Settings", "Placement", "ProfileSettings", "BehaviourSettings", "WebSettings"} <= set(CLASSES)


@pytest.mark.parametrize("name", list(CLASSES))
def test_every_setting_says_what_it_means(name: str) -> None:
    """Under each setting stands a line on what it means; a group of settings is explained by its class."""
    node = CLASSES[name]
    assert ast.get_docstring(node)
    following = [*node.body[1:], None]
    for field, after in zip(node.body, following, strict=True):
        if not isinstance(field, ast.AnnAssign) or ast.unparse(field.annotation) in CLASSES:
            continue
        stated = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str)
        assert stated, f"{name}.{ast.unparse(field.target)} has no line of its own"


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_bare_make_lists_every_target() -> None:
    """`make` alone prints every target with what it does, and makes nothing."""
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))
    listed = re.findall(r"^  make ([a-z-]+) +\S.*$", run("make").stdout, re.MULTILINE)
    assert sorted(listed) == sorted(targets)


def test_every_command_has_a_target() -> None:
    """What `python -m training` can do, `make` can do."""
    commands = re.findall(r"^    (\w+) ", parser().format_help(), re.MULTILINE)
    assert len(commands) > 6
    assert set(commands) <= set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", reference.pages())
def test_reference_pages_are_those_of_the_code(name: str) -> None:
    """`make docs` has been run since a setting or a recommender changed."""
    assert (ROOT / "docs" / name).read_text() == reference.pages()[name]


def test_files_stay_readable() -> None:
    """No file is longer than 350 lines, none is a drawer for everything."""
    assert len(SOURCES) > 30
    long = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in long.items() if lines > 350} == {}
    assert not {path.stem for path in SOURCES} & {"utils", "util", "helpers", "common", "misc"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_that_can_run_code_is_loaded(path: Path) -> None:
    """No file imports pickle or its kin, and arrays are loaded and saved without it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name.partition(".")[0] for alias in node.names} & {
                "pickle",
                "joblib",
                "dill",
                "marshal",
                "shelve",
            }
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.load", "np.save"):
            allowed = [keyword.value for keyword in node.keywords if keyword.arg == "allow_pickle"]
            assert [ast.unparse(value) for value in allowed] == ["False"]


SUBJECTS = re.compile(r"(What|Who|Whoever|How|Whether|Where|Which|When|Why)\b")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_docstrings_name_a_thing_or_begin_with_a_verb(path: Path) -> None:
    """No docstring of a module, a class or a function begins with a question's word."""
    places = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, places)]
    texts = [ast.get_docstring(node) or "" for node in nodes]
    assert [text for text in texts if SUBJECTS.match(text)] == []


def test_modules_of_tests_and_benchmarks_name_a_thing() -> None:
    """Each has a docstring, and none begins with a question's word."""
    paths = [path for room in ("tests", "benchmarks") for path in sorted((ROOT / room).rglob("*.py")) if path.read_text()]
    first = {path.relative_to(ROOT).as_posix(): ast.get_docstring(ast.parse(path.read_text())) or "Why?" for path in paths}
    assert {name: text for name, text in first.items() if SUBJECTS.match(text)} == {}


OWNERS: dict[str, set[str]] = {
    "os.replace": {"recsys/disk.py"},
    "os.rename": {"recsys/disk.py"},
    "time.time_ns": {"recsys/clock.py"},
    "datetime.fromtimestamp": set(),
    "hash": set(),
    "random.Random": {"recsys/messages/dry_run.py", "recsys/web/console/pages/placements.py"},
    **{f"random.{name}": set() for name in ("random", "choice", "choices", "sample", "shuffle", "randint")},
}
"""What has one home: calls that only these files make."""


@pytest.mark.long
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_and_moments_have_one_owner(path: Path) -> None:
    """Derived files are written by `disk.write_whole`; moments are read and converted by `clock`; nothing rests on `hash`, which
    differs between processes, nor on `random`, but for two samples of shoppers for people to look at, which have a seed."""
    tree, name = ast.parse(path.read_text()), path.relative_to(ROOT).as_posix()
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert {call for call in calls & set(OWNERS) if name not in OWNERS[call]} == set()


CLOCKS = {"time.time", "time.time_ns", "time.monotonic", "datetime.now", "datetime.utcnow", "date.today"}


@pytest.mark.long
@pytest.mark.parametrize("path", sorted(ROOT.glob("tests/**/*.py")), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_test_remembers_the_time_of_its_import(path: Path) -> None:
    """A clock is read inside a test, never when its file is imported: the tests before it may take long."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.Lambda)
        for part in (function.body if isinstance(function.body, list) else [function.body])
        for node in ast.walk(part)
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and id(node) not in inside]
    assert not [call.lineno for call in calls if ast.unparse(call.func) in CLOCKS]


LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))


@pytest.mark.parametrize("name", LOCKS)
def test_locks_are_pinned_by_hash(name: str) -> None:
    """Every package of a lock file has one version and its hashes; no index address stands in it."""
    text = (ROOT / name).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==\S+", entry), entry
        assert "--hash=sha256:" in entry
    assert "index-url" not in text
    assert "://" not in text


def names(requirements: Sequence[str]) -> set[str]:
    """The packages of requirements, as a lock file spells them."""
    return {re.match(r"[A-Za-z0-9._-]+", text)[0].lower() for text in requirements}  # type: ignore[index]


def pinned(lock: str) -> set[tuple[str, str]]:
    """Package and version of each line of a lock file; a package has several where markers tell them apart."""
    return set(re.findall(r"^([a-z0-9._-]+)==([^ ;]+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_locks_hold_what_the_project_names() -> None:
    """Each dependency, extra and group of pyproject.toml is pinned: what tests may need in one file, what is apart in its own."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras, groups = project["project"]["optional-dependencies"], project["dependency-groups"]
    base = names([*project["project"]["dependencies"], *extras["training"]])
    everything = base | names([text for name in set(extras) - {"spark"} for text in extras[name]])
    apart = {"peers", "spark-formats"}
    wanted = {
        "requirements.lock": base,
        "requirements-dev.lock": everything.union(*(names(groups[name]) for name in set(groups) - apart)),
        "requirements-peers.lock": base | names(groups["peers"]),
        "requirements-spark.lock": base | names([*extras["spark"], *groups["spark-formats"]]),
    }
    assert sorted(wanted) == LOCKS
    for lock, packages in wanted.items():
        assert packages <= {name for name, _ in pinned(lock)}


@pytest.mark.parametrize("name", ["requirements-dev.lock", "requirements-peers.lock", "requirements-spark.lock"])
def test_locks_agree(name: str) -> None:
    """What the service and the job run on has the same versions in tests and comparisons."""
    assert pinned("requirements.lock") <= pinned(name)
