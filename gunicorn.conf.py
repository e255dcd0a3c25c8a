"""Gunicorn's configuration; docs/http.md gives the measurements behind the choices.

Environment: HOST and PORT (127.0.0.1:8000), WEB_CONCURRENCY (worker processes, 2).
"""

import gc
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
OWN_FOLDER = "recsys-metrics-"

bind = f"{os.environ.get('HOST', '127.0.0.1')}:{os.environ.get('PORT', '8000')}"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "sync"
"""One request at a time: answering is computing, so threads only wait for one another. Put a proxy that buffers in front."""
preload_app = True
"""Loaded once and forked: workers share the code's memory, as they share the snapshot's mapped pages."""
timeout = 30
graceful_timeout = 30
limit_request_line = 8190
"""The most that gunicorn takes: an id of 256 bytes has 768 characters when percent-encoded."""
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None
accesslog = "-"
logger_class = "recsys.web.http.access_log.AccessLog"

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# prometheus_client looks at the variable when it is first imported, which must therefore happen after this.
if METRICS_FOLDER not in os.environ:
    os.environ[METRICS_FOLDER] = tempfile.mkdtemp(prefix=OWN_FOLDER)


def on_starting(server: Any) -> None:
    """Refuse an open service on an address that others can reach; write our log where gunicorn writes its own."""
    from recsys.settings.load import load_settings
    from recsys.web.http.auth import check_bind

    log = logging.getLogger("recsys")
    log.handlers = server.log.error_log.handlers
    log.setLevel(server.log.error_log.level)
    check_bind(load_settings().web, [address[0] for address in server.cfg.address if isinstance(address, tuple)])


def when_ready(server: Any) -> None:
    """Leave what is loaded out of garbage collection, so that workers neither walk it nor copy its pages, and look for cycles
    more rarely: answering makes none, and looking costs a tenth of it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


def post_worker_init(worker: Any) -> None:
    """Follow new snapshots, in a thread that starts after the fork."""
    if service := getattr(worker.wsgi, "service", None):
        service.live.start()


def worker_exit(server: Any, worker: Any) -> None:
    """End that thread."""
    if service := getattr(worker.wsgi, "service", None):
        service.live.stop()


def child_exit(server: Any, worker: Any) -> None:
    """Forget the gauges of a worker that has ended."""
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(server: Any) -> None:
    """Remove the metrics' folder, if it is ours."""
    folder = Path(os.environ[METRICS_FOLDER])
    if folder.name.startswith(OWN_FOLDER):
        shutil.rmtree(folder, ignore_errors=True)
