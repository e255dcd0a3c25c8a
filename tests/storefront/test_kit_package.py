"""The storefront kit as developers get it: checked types, declarations that fit, a package that holds what it needs."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from recsys.web.resources.kit import STATIC
from tests.support.servers.running import ROOT

PACKAGE = ROOT / "clients" / "storefront"
TSC = PACKAGE / "node_modules" / ".bin" / "tsc"

needs_npm = pytest.mark.skipif(not shutil.which("npm"), reason="npm is not installed")
needs_typescript = pytest.mark.skipif(not TSC.exists(), reason="run `npm ci` in clients/storefront")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the package's folder."""
    return subprocess.run(command, cwd=PACKAGE, capture_output=True, text=True, timeout=120)


@needs_typescript
def test_its_types_hold() -> None:
    """The compiler finds nothing in the file as it is served; it is JavaScript, with types in comments."""
    checked = run(str(TSC), "-p", ".", "--noEmit")
    assert checked.returncode == 0, checked.stdout


@needs_typescript
def test_its_declarations_are_those_of_the_code(tmp_path: Path) -> None:
    """`npm run types` has been run since the file changed."""
    assert run(str(TSC), "-p", ".", "--outDir", str(tmp_path)).returncode == 0
    assert (tmp_path / "recsys.d.ts").read_text() == (STATIC / "recsys.d.ts").read_text()


@pytest.mark.long
@needs_typescript
def test_a_shop_in_typescript_uses_it(tmp_path: Path) -> None:
    """Calls that the declarations promise compile; others do not."""
    for types in ("recsys.d.ts", "types.d.ts"):
        (tmp_path / types).write_text((STATIC / types).read_text())
    good = 'import { start, track, RecsysList, type Slate } from "./recsys.js";\nstart({ token: "/t", consent: true });\n'
    good += 'track("view", "a"); track("search", { query: "q", colour: "red" });\n'
    good += 'const list = document.querySelector("recsys-list") as RecsysList; list.ask = { price_max: 5 }; list.more();\n'
    good += 'track("dislike", { item_id: "a", hides: "brand" });\n'
    good += "export const first = (slate: Slate): string | null => slate.items[0].title;\n"
    bad = 'import { start, track } from "./recsys.js";\nstart({ token: 5 });\ntrack("purchase", "a");\n'
    options = [
        "--ignoreConfig",
        "--noEmit",
        "--strict",
        "--target",
        "es2022",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
    ]
    for name, text in (("good", good), ("bad", bad)):
        (tmp_path / f"{name}.ts").write_text(text)
    assert run(str(TSC), *options, str(tmp_path / "good.ts")).stdout == ""
    found = run(str(TSC), *options, str(tmp_path / "bad.ts")).stdout
    assert found.count("error TS") == 2


@needs_npm
def test_the_package_holds_the_kit(tmp_path: Path) -> None:
    """`npm pack` packs the very file that the service gives, its declarations and nothing that was not meant to be."""
    folder = shutil.copytree(PACKAGE, tmp_path / "clients" / "storefront", ignore=shutil.ignore_patterns("node_modules"))
    shutil.copytree(STATIC, tmp_path / "recsys" / "web" / "static")
    packed = subprocess.run(["npm", "pack", "--json", "--offline"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert packed.returncode == 0, packed.stderr
    described = json.loads(packed.stdout)
    [about] = described if isinstance(described, list) else described.values()
    assert {file["path"] for file in about["files"]} == {
        "README.md",
        "package.json",
        "recsys.d.ts",
        "recsys.js",
        "types.d.ts",
    }
    assert (folder / "recsys.js").read_bytes() == (STATIC / "recsys.js").read_bytes()
    assert json.loads((folder / "package.json").read_text()).get("dependencies") is None
