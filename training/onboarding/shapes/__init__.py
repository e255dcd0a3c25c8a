"""Shapes of tables that are not one row an event: preambles, joins, order heads, packed cells, long formats."""
