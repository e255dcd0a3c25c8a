"""HTTP plumbing: how calls are declared, authenticated, parsed, answered, logged and documented."""
