"""One strategy run on bars as they close and fills as they come: the model inside a strategy worker."""
