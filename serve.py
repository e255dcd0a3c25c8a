"""The service as a WSGI application: `gunicorn -c gunicorn.conf.py serve:app`."""

from recsys.web.app import app_from_environment

app = app_from_environment()
