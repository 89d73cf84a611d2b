"""Is a result real?  Walk-forward, cross-validation, Monte Carlo, overfitting statistics, causality and stability."""
