"""The compiled core: arrays in, arrays out; no objects in the hot path, no I/O."""
