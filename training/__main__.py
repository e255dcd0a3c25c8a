"""The offline job as a program: `python -m training --help`, or `recsys --help` where it is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from signal import SIGINT

from recsys.process import share_heaps
from training.processes import end_in_order

INTERRUPTED = 128 + SIGINT
FEW_ROW_GROUPS = ("POLARS_ROW_GROUP_PREFETCH_SIZE", "2")
"""Row groups of Parquet files that Polars reads ahead: with its own 8 a table is read no faster, and takes 500 MB more."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 an error that the message explains, 130 interrupted."""
    os.environ.setdefault(*FEW_ROW_GROUPS)
    share_heaps()
    try:
        from recsys.disk import finds_no_room
        from recsys.types import RecsysError  # imports take a second, in which Ctrl-C is pressed too
        from training.cli.parser import parser
        from training.console import complain

        parsed = parser(_program()).parse_args(arguments)
        return int(parsed.run(parsed))
    except KeyboardInterrupt as stop:
        sys.stderr.write(
            "; ".join(("interrupted", "nothing half-done was left behind", *getattr(stop, "__notes__", ()))) + "\n"
        )
        return INTERRUPTED
    except RecsysError as error:
        complain(str(error))
        return 1
    except Exception as error:
        if not finds_no_room(error):
            raise
        complain(f"a disk is full ({error}); make room and run it again")
        return 1


def run() -> None:
    """Run as a program: as `main`, and ended in order also by SIGTERM, SIGHUP and the end of `make`."""
    end_in_order()
    sys.exit(main())


def _program() -> str:
    return "recsys" if Path(sys.argv[0]).name == "recsys" else "python -m training"


if __name__ == "__main__":
    run()
