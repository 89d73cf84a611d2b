"""All rules of the risk gate, in the order in which they are asked."""

from collections.abc import Mapping
from types import MappingProxyType

from trademantra.trading.risk.rules.orders import ORDER_RULES
from trademantra.trading.risk.rules.pace import PACE_RULES
from trademantra.trading.risk.rules.positions import ENTRY_RULES, INSTRUMENT_RULES, SECTOR_RULES
from trademantra.trading.risk.rules.results import RESULT_RULES
from trademantra.trading.risk.rules.rule import AnyRule

BOOK_RULES = (*PACE_RULES, *ENTRY_RULES)
ALL_RULES: tuple[AnyRule, ...] = (
    *RESULT_RULES, *ORDER_RULES, *BOOK_RULES, *INSTRUMENT_RULES, *SECTOR_RULES,
)  # fmt: skip
RULES_BY_CODE: Mapping[str, AnyRule] = MappingProxyType({rule.code: rule for rule in ALL_RULES})
