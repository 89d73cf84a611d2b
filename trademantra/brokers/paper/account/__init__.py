"""One account of the simulated exchange: its money, margins, positions and holdings.  docs/paper-accounts.md."""
