"""Names of the columns that sources add, and the bounds that every file keeps."""

from __future__ import annotations

ROW = "__row"
"""Number of a source row, unique in its table."""
FILE = "__file"
"""Name of the file, member of an archive, or database table that a source row stands in."""
MORE = "__more"
"""What a line of a text file has beyond the columns of its header; null where it is sound."""
NAMES_AGAIN = "(names of columns)"
"""`MORE` of a line of column names below the first one, in another order or spelling."""
WHOLE = "__whole"
"""Number of the source row that a row is an entry of, where lists became rows."""
RESERVED = (ROW, FILE, MORE, WHOLE)
MAX_COLUMNS = 10_000
MAX_LINE = 16 << 20
"""Bytes of one line, one JSON object or one XML record."""
MAX_FILES = 100_000
"""Files of one table."""
CHUNK = 4 << 20
"""Bytes that are looked at together."""
