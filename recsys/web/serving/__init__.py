"""The running service: the engine that answers, and the thread that follows snapshots and the live log."""
