"""What keeps an order from harm: limits, the risk gate that every order passes, and the kill switch (docs/risk.md)."""
