"""gunicorn's entry: `gunicorn wsgi:app`, configured from the environment."""

from portal.app import create_app

app = create_app()
