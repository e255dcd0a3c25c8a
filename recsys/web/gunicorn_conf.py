"""Gunicorn's configuration: `gunicorn -c python:recsys.web.gunicorn_conf`; docs/http.md gives the measurements behind the choices.

Environment: HOST and PORT (127.0.0.1:8000), WEB_CONCURRENCY (worker processes, 2).
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path
from typing import Any

from recsys.process import end_with_parent, make_process, open_more_files, share_heaps

_HOST = os.environ.get("HOST", "127.0.0.1")
bind = f"{f'[{_HOST}]' if ':' in _HOST else _HOST}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "recsys.web.http.worker.buffering_worker.BufferingWorker"
"""Requests are gathered whole before a thread takes them, so that slow clients hold no thread."""
threads = 48
"""Threads of a worker: more than the heavy calls that may run or wait (`recsys.web.serving.lanes`), so that pages never queue."""
worker_connections = 10_000
"""Connections of a worker; at the last one that which waited longest makes room, for at the bound gunicorn accepts nobody any more."""
keepalive = 15
preload_app = True
"""Loaded once and forked: workers share the code's memory, as they share the snapshot's mapped pages."""
timeout = 30
graceful_timeout = 30
limit_request_line = 8190
"""The most that gunicorn takes: an id of 256 bytes has 768 characters when percent-encoded."""
control_socket_disable = True
forwarder_headers = ""
"""No header of a caller says under which path the service runs; `web.prefix` does."""
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
accesslog = "-"
logger_class = "recsys.web.http.worker.access_log.AccessLog"

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
share_heaps()
open_more_files()
if not os.access(Path(__file__).parents[1], os.W_OK):  # compiled loops cannot be kept beside read-only code
    from recsys.settings.load import load_settings as _load

    _settings = _load()
    os.environ.setdefault("NUMBA_CACHE_DIR", str(_settings.path(_settings.state.folder) / "compiled"))
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)  # metrics are kept in memory (recsys.web.http.metrics_board)


def on_starting(server: Any) -> None:
    """Refuse an open service before a port is bound; write our log where gunicorn writes its own; end with `make`."""
    from recsys.settings.load import load_settings
    from recsys.web.http.auth import check_served

    log = logging.getLogger("recsys")
    log.handlers = server.log.error_log.handlers
    log.setLevel(server.log.error_log.level)
    if (make := make_process()) is not None:
        end_with_parent(make)
    check_served(load_settings().web)


def when_ready(server: Any) -> None:
    """Leave what is loaded out of garbage collection, so that workers neither walk it nor copy its pages, and look for cycles
    more rarely: answering makes none, and looking costs a tenth of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


def pre_fork(server: Any, worker: Any) -> None:
    """Give the new worker a slot for its metrics."""
    if service := getattr(server.app.callable, "service", None):
        worker.board = service.metrics.board
        worker.slot = worker.board.reserve()


def post_worker_init(worker: Any) -> None:
    """Follow new snapshots, in a thread that starts after the fork; let threads take turns often, so that pages come first."""
    sys.setswitchinterval(0.001)
    if service := getattr(worker.wsgi, "service", None):
        service.metrics.use(worker.slot)
        service.live.start()


def worker_exit(server: Any, worker: Any) -> None:
    """End that thread."""
    if service := getattr(worker.wsgi, "service", None):
        service.live.stop()
        service.metrics.publish()


def child_exit(server: Any, worker: Any) -> None:
    """Keep the counts of a worker that has ended."""
    if board := getattr(worker, "board", None):
        board.retire(worker.slot)
