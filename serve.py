"""The service as a WSGI application: `gunicorn -c gunicorn.conf.py serve:app`."""

from recsys.settings.load import load_settings
from recsys.web.app import create_app

app = create_app(load_settings())
