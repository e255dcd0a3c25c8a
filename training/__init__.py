"""The offline job: from event tables to a published snapshot, and the synthetic shop to try it on."""
