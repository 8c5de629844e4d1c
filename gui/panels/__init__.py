"""One file a panel. A panel takes (request, result) and returns the request the person now wants; it holds widget memory only."""
