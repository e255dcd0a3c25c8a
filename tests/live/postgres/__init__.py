"""What PostgreSQL promises beside what every database does."""
