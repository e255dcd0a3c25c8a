"""First settings for a shop: files looked at, presets and columns recognised, a settings file written with the evidence."""
