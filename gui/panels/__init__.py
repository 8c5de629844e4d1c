"""One file a panel: takes (request, result), returns the request the person now wants, holds widget memory only."""
