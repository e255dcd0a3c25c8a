"""The docs: what they name exists, what they quote can be read, and the calls they show are calls of the service."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from recsys.settings.load import parse_settings
from training.cli.parser import parser

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("clients/*/README.md")])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CALL = re.compile(r"(?:^|-X |-s )(GET|POST|PUT|PATCH|DELETE) +(/v1/[^\s`'\"?]*)", re.MULTILINE)


class Block(NamedTuple):
    """A code block of a page, and the line it begins in."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks() -> Iterator[Block]:
    """All code blocks of all pages."""
    for name, page in zip(NAMES, PAGES, strict=True):
        text = page.read_text()
        for match in FENCE.finditer(text):
            yield Block(name, text.count("\n", 0, match.start()) + 1, *match.groups())


def blocks_in(*languages: str) -> list[Block]:
    """Those in one of the languages; "" is a block that names none."""
    return [block for block in blocks() if block.language in languages]


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ +(.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return frozenset(
        re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", head).lower()).replace(" ", "-") for head in heads
    )


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    """A link within the project names a file that is there, and a heading that the file has."""
    page, lost = ROOT / name, []
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        path, _, anchor = link.partition("#")
        if "://" in link or link.startswith(("/", "mailto:")):
            continue
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("name", NAMES)
def test_modules_that_are_named_are_there(name: str) -> None:
    """A Python file or a folder of the project named in a page is there, under that name."""
    text = FENCE.sub("", (ROOT / name).read_text())
    named = set(re.findall(r"`((?:recsys|training|simulator|benchmarks|tests|clients|examples)/[\w./-]*)`", text))
    assert [each for each in sorted(named) if not (ROOT / each).exists() and not each.startswith("benchmarks/out")] == []


def test_tests_that_are_named_are_there() -> None:
    """A test that a page says holds something is a test of ours."""
    ours = {name for file in ROOT.glob("tests/**/*.py") for name in re.findall(r"def (test_\w+)", file.read_text())}
    named = {(page, each) for page in NAMES for each in re.findall(r"`(test_\w+)`", (ROOT / page).read_text())}
    assert sorted((page, each) for page, each in named if each not in ours) == []


@pytest.mark.parametrize("block", blocks_in("toml"), ids=str)
def test_settings_are_settings(block: Block, tmp_path: Path) -> None:
    """Settings shown in a page are read by the service as they stand."""
    parse_settings(block.text, tmp_path)


@pytest.mark.parametrize("block", blocks_in("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    """JSON shown in a page is JSON; an ellipsis may stand for more of a list or an object."""
    json.loads(re.sub(r",?\s*…(?=\s*[\]}])", "", block.text))


@pytest.mark.parametrize("block", blocks_in("python"), ids=str)
def test_python_compiles(block: Block) -> None:
    """Python shown in a page is Python."""
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize(
    "block",
    [each for each in blocks_in("", "bash") if re.search(r"^(curl|make|cp|python) ", each.text, re.MULTILINE)],
    ids=str,
)
def test_shell_can_be_typed(block: Block) -> None:
    """Commands shown in a page are read by a shell without a complaint, and name targets and commands that there are."""
    subprocess.run(["bash", "-n"], input=block.text.replace("…", "x"), text=True, check=True, capture_output=True)


def test_targets_and_commands_exist() -> None:
    """`make x` and `python -m training x` in any page are there."""
    text = "\n".join(page.read_text() for page in PAGES)
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    commands = {name for action in parser()._actions for name in (action.choices or ())}
    made = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)", text, re.MULTILINE))
    ran = set(re.findall(r"(?:python -m training|(?:^|`)recsys) ([a-z][a-z-]*)", text, re.MULTILINE))
    assert (made - targets, ran - commands) == (set(), set())


@pytest.mark.parametrize("name", NAMES)
def test_calls_are_calls_of_the_service(name: str) -> None:
    """Each call that a page shows, method and path, stands in OpenAPI."""
    paths = json.loads((ROOT / "tests" / "goldens" / "openapi.json").read_text())["paths"]
    patterns = [
        (re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)), {method.upper() for method in calls})
        for path, calls in paths.items()
    ]
    shown = set(CALL.findall((ROOT / name).read_text()))
    assert [
        each
        for each in sorted(shown)
        if not any(path.fullmatch(each[1]) and each[0] in methods for path, methods in patterns)
    ] == []
