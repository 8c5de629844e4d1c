"""From pictures as people have them to a set that training reads: sources, transforms, labels, report."""
