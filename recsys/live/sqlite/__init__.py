"""Live state in SQLite files on a local disk: the driver, the formats of its files, and `sqlite3` in this folder only."""
