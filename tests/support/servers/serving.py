"""The service over a published snapshot, as web tests call it: keys, tokens and a client."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jwt
from flask.testing import FlaskClient
from msgspec import Struct
from msgspec.structs import fields

from recsys.settings import Settings, SnapshotSettings, StateSettings, WebSettings
from recsys.web.app import Application, create_app

READ_KEY = "read-key-of-at-least-32-characters"
ADMIN_KEY = "admin-key-of-at-least-32-characters"
MESSAGES_KEY = "messages-key-of-at-least-32-characters"
TOKEN_SECRET = "token-secret-of-at-least-32-characters"
ENVIRONMENT = {
    "RECSYS_KEYS_READ": READ_KEY,
    "RECSYS_KEYS_ADMIN": ADMIN_KEY,
    "RECSYS_KEYS_MESSAGES": MESSAGES_KEY,
    "RECSYS_TOKEN_SECRETS": f"k1:{TOKEN_SECRET}",
}


def in_order(kind: type[Struct], answer: Iterable[str]) -> bool:
    """Tell whether an answer's members stand in the order of its type, and none that always comes is missing."""
    given, members = list(answer), fields(kind)
    always = {member.name for member in members if member.required}
    return given == [member.name for member in members if member.name in given] and always <= set(given)


def bearer(credential: str) -> dict[str, str]:
    """The header that carries a key or a token."""
    return {"Authorization": f"Bearer {credential}"}


READ = bearer(READ_KEY)
ADMIN = bearer(ADMIN_KEY)


def token(user_id: str, secret: str = TOKEN_SECRET, kid: str = "k1", algorithm: str = "HS256", **claims: Any) -> str:
    """Mint a browser token as a shop's backend does; a claim of None is left out."""
    now = int(time.time())
    every = {"sub": user_id, "iat": now, "exp": now + 3000, **claims}
    kept = {name: value for name, value in every.items() if value is not None}
    return jwt.encode(kept, secret, algorithm=algorithm, headers={"kid": kid})


def serving_settings(artifacts: Path, **web: Any) -> Settings:
    """Settings that serve what is published in a folder."""
    return Settings(
        snapshot=SnapshotSettings(artifacts=str(artifacts), reload_seconds=0.05),
        state=StateSettings(folder=str(artifacts.parent / "state")),
        web=WebSettings(**web),
    )


def serve(artifacts: Path, **web: Any) -> Application:
    """Build the service over a folder of snapshots."""
    return create_app(serving_settings(artifacts, **web), ENVIRONMENT)


def client(artifacts: Path, **web: Any) -> FlaskClient:
    """A client of the service over a folder of snapshots."""
    return serve(artifacts, **web).test_client()
