"""Turns a frozen request into a frozen result, on one thread of its own. Importing this package imports no torch."""
import os

# Read by torch once, when it is imported: large pages save a CPU up to a third of its time on feature maps.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
