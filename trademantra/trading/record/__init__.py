"""The record of what strategies did: their sessions and closed trades.  The go-live gate and `tm parity` read it."""
