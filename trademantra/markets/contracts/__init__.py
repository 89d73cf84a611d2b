"""Contract facts of Indian exchanges, dated: lots, ticks, freeze quantities, bands, halts, expiries, protection."""
