"""Back-tests, sweeps and studies as people run them: data found, costs chosen, progress shown, results kept."""
