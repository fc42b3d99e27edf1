"""The pool, the strategies and the loop; nothing here knows a detector from a classifier."""
