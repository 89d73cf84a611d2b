"""Reports as one HTML file each: they open from disk, without a network."""
