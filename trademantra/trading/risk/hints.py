"""What helps against a refusal of the gate: the command that shows or changes what stands in the way."""

from trademantra.trading.intents import OrderIntent
from trademantra.trading.risk.decisions import Decision
from trademantra.trading.risk.rules.registry import RULES_BY_CODE

_OF_THE_MARKET = frozenset({"market_halt", "price_band", "currency", "no_limits", "unknown_account"})
_MOST_NAMED = 3


def hint_of(decision: Decision, intent: OrderIntent) -> str:
    """For whoever was refused; "" where no command helps, or the text says it already."""
    account_id, rule = intent.account_id, decision.rule
    if rule == "exit_covered":
        orders = " ".join(decision.covered_by[:_MOST_NAMED])
        return f"tm desk cancel {orders} --account {account_id}, or tm desk modify"
    if rule in ("nothing_to_exit", "exit_beyond_held"):
        return f"tm desk positions --account {account_id} shows what is held"
    if rule == "paused":
        return f"tm desk resume --account {account_id} --strategy {intent.strategy_id}"
    if rule == "stale_price":
        return "tm desk status shows how old the feed's prices are"
    if rule in RULES_BY_CODE and rule not in _OF_THE_MARKET:
        return f"tm account limits {account_id} shows the limits, and changes them"
    return ""
