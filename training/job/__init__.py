"""The training job: from a shop's tables to a published snapshot."""
