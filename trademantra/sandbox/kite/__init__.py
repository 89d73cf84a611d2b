"""A Kite Connect v3 server over the simulated exchange: REST at `/`, ticker at `ws://…/` of one port."""
