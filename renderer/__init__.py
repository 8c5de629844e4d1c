"""Turns a frozen request into a frozen result, on one thread of its own. Importing this package imports no torch."""
from renderer.memory import keep_freed

keep_freed()
