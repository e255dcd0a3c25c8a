"""Links that contradict each other: of two workers that are told at once, one believes it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.servers.intake import EVENTS, intake


def test_two_workers_never_join_known_users(artifacts: Path, tmp_path: Path) -> None:
    """a → b and b → c at the same time: either is right, both would make a known user's past another's."""
    one, other = (intake(artifacts, tmp_path).test_client() for _ in range(2))

    def post(client: object, anonymous_id: str, user_id: str) -> int:
        link = {"anonymous_id": anonymous_id, "user_id": user_id}
        answer = client.post("/v1/identities", json={"identities": [link]}, headers=EVENTS)  # type: ignore[attr-defined]
        return int(answer.get_json()["accepted"])

    with ThreadPoolExecutor(2) as pool:
        for number in range(30):
            first = pool.submit(post, one, f"a{number}", f"b{number}")
            second = pool.submit(post, other, f"b{number}", f"c{number}")
            assert first.result() + second.result() == 1
