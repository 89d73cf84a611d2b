"""Sample data that ships: real daily prices from a package, and a seeded synthetic market (exchange SYNTH)."""
