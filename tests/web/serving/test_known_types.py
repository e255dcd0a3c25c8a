"""Types that several threads read for the first time at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers.running import ROOT

SCRIPT = """
import sys, msgspec
from pathlib import Path
from recsys.web.app import create_app
from recsys.web.serving.known_types import structs
from tests.support.servers.serving import ENVIRONMENT, serving_settings

settings = serving_settings(Path(sys.argv[1]))
if "begun" in sys.argv:
    create_app(settings, ENVIRONMENT)
worked_out = []
sys.setprofile(lambda frame, event, _: worked_out.append(frame.f_code.co_name) if event == "call" else None)
for kind in set(structs(msgspec.Struct)):
    try:
        msgspec.convert({}, kind)
    except (msgspec.ValidationError, TypeError, NameError):
        pass
sys.setprofile(None)
print(worked_out.count("get_class_annotations"))
"""


@pytest.mark.parametrize("begun", [True, False])
def test_what_a_type_holds_is_worked_out_before_threads_read_it(artifacts: Path, begun: bool) -> None:
    """The first calls of a kind come together in a worker that has just begun; msgspec ended it where two worked that out at once."""
    command = [sys.executable, "-c", SCRIPT, str(artifacts), *(["begun"] if begun else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 0 if begun else int(done.stdout) > 50
