"""How other programs see a running desk and ask something of it: by rows, no sockets."""
