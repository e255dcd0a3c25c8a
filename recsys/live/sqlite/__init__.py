"""Live state in SQLite files on a local disk: the one driver there is. SQL and `sqlite3` stand in this folder only."""
