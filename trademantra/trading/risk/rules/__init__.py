"""The rules of the risk gate, by subject; `registry` lists them all."""
