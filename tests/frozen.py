"""Imported last where all else is imported: the collector need not search that again."""

import gc

gc.collect()
gc.freeze()
