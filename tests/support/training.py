"""Training with the real gate, for tests that publish."""

from __future__ import annotations

from datetime import datetime

import msgspec

from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.settings.training import TrainingSettings
from training.gate.gate import gate_of
from training.job import job
from training.job.job import Fitted, Watch


def cut(shop: Settings, partitions: int) -> Settings:
    """The settings with so many partitions."""
    return msgspec.structs.replace(shop, training=TrainingSettings(partitions=partitions))


def train(
    settings: Settings,
    *,
    now: datetime,
    before: datetime | None = None,
    watch: Watch | None = None,
    force: str | None = None,
    erasure_keys: ErasureKeys | None = None,
) -> Fitted:
    """Fit, pass the gate and publish, as `make train` does."""
    gate = gate_of(settings, now, force, erasure_keys)
    return job.train(settings, now=now, gate=gate, before=before, watch=watch, erasure_keys=erasure_keys)
