#!/bin/sh
# Gives the process its own copy of the loops that the image compiled, then becomes it. Without room the loops are compiled anew.
cp -Rp /app/compiled/. "$NUMBA_CACHE_DIR" 2>/dev/null || echo "no room in $NUMBA_CACHE_DIR: loops are compiled at this start" >&2
exec "$@"
