"""Live state in a PostgreSQL database, for several machines. SQL of PostgreSQL and `psycopg` stand in this folder only."""
