"""The fast path: a compiled loop over a batch of prices that stops only where an order can be concerned.

Invariant: after `scan` returned i, the events before i are in the columns and those from i on are not.
"""

from types import MappingProxyType

from trademantra.engine.bars import Float64Array, Int64Array
from trademantra.engine.compile import compiled
from trademantra.engine.signature import INDEX, INTEGERS, MATRIX, VECTOR

# Columns of the matrix of market states; 0 in a price column: none yet.  A new row is all zeros.
OPEN, HIGH, LOW, LAST, VOLUME, VALUE, LAST_QUANTITY, TRADES = range(8)
INTEREST, INTEREST_HIGH, INTEREST_LOW, PREVIOUS, LOWER, UPPER = range(8, 14)
ARMED, BELOW, ABOVE = 14, 15, 16
COLUMNS = 17
DAY_COLUMNS = MappingProxyType(
    {"first": OPEN, "last": INTEREST_LOW}
)  # what a new day forgets, apart from LAST


@compiled(
    INDEX(
        INTEGERS,
        INTEGERS,
        VECTOR,
        VECTOR,
        VECTOR,
        VECTOR,
        VECTOR,
        VECTOR,
        MATRIX,
        INTEGERS,
        INDEX,
        INDEX,
        INDEX,
        INDEX,
    )
)
def scan(
    rows: Int64Array,
    at_ns: Int64Array,
    opens: Float64Array,
    highs: Float64Array,
    lows: Float64Array,
    closes: Float64Array,
    volumes: Float64Array,
    interests: Float64Array,
    market: Float64Array,
    last_ns: Int64Array,
    start: int,
    stop: int,
    until_ns: int,
    forced: int,
) -> int:
    """Take events [start, stop) into the columns; return the first that was not taken, `stop` when all were.

    An event is not taken when it comes at or after `until_ns`, or when it reaches a level at which its row is armed;
    event `forced` is taken in any case.
    """
    for i in range(start, stop):
        row = rows[i]
        high, low, close, volume = highs[i], lows[i], closes[i], volumes[i]
        if i != forced:
            if at_ns[i] >= until_ns:
                return i
            if market[row, ARMED] != 0.0 and (low <= market[row, BELOW] or high >= market[row, ABOVE]):
                return i
        if market[row, OPEN] == 0.0:
            market[row, OPEN] = opens[i]
            market[row, HIGH] = high
            market[row, LOW] = low
        else:
            market[row, HIGH] = max(market[row, HIGH], high)
            market[row, LOW] = min(market[row, LOW], low)
        market[row, LAST] = close
        if volume > 0.0:
            market[row, VOLUME] += volume
            market[row, VALUE] += volume * (high + low + close) / 3.0
            market[row, LAST_QUANTITY] = volume
            market[row, TRADES] += 1.0
        interest = interests[i]
        if interest == interest:
            if market[row, INTEREST_HIGH] == 0.0 or interest > market[row, INTEREST_HIGH]:
                market[row, INTEREST_HIGH] = interest
            if market[row, INTEREST_LOW] == 0.0 or interest < market[row, INTEREST_LOW]:
                market[row, INTEREST_LOW] = interest
            market[row, INTEREST] = interest
        last_ns[row] = max(last_ns[row], at_ns[i])
    return stop
