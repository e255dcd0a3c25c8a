"""Gunicorn's configuration for runs from this folder: that of the package, `recsys.web.gunicorn_conf`."""

from recsys.web.gunicorn_conf import *  # noqa: F403
