"""Live state in a PostgreSQL database, for several machines. the driver, the migrations, and `psycopg` in this folder only."""
