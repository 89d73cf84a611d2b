"""Search for parameters: grid, random, TPE and NSGA-II, on all cores or a cluster, resumable at any time."""
