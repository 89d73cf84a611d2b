"""The invented shares of the sample market: names, sectors, sizes.  Nothing here is a real company."""

from trademantra.core.errors import InvalidValueError
from trademantra.data.sample.market import SyntheticIndex, SyntheticShare
from trademantra.data.sample.streams import Purpose, raw_words, uniform

SECTORS = ("BANK", "IT", "ENERGY", "AUTO", "PHARMA", "CONSUMER", "METAL", "REALTY")
INDEX_SYMBOL = "SYNINDEX"
MOST_SHARES = 400

# Shares keep their character under every market seed, so that charts of two seeds show the same companies.
_CHARACTER_SEED = 20260101
_LOT_VALUE = 75_000_000  # paise: a contract is worth about 7.5 lakh rupees, as stock derivatives were in 2026
# NSE cash ticks since 2025-04-15 (specs/india-markets.md 2.4): up to this price in paise, this tick in paise.
_TICKS = ((25_000, 1), (100_000, 5), (500_000, 10), (1_000_000, 50), (2_000_000, 100))
_LARGEST_TICK = 500


def synthetic_shares(count: int) -> tuple[SyntheticShare, ...]:
    """The first `count` invented shares, sector by sector in turn; more never change the earlier ones.

    Errors: `InvalidValueError` unless 1 ≤ count ≤ 400.

    >>> [share.symbol for share in synthetic_shares(9)][-2:]
    ['SYNREALTY1', 'SYNBANK2']
    """
    if not 1 <= count <= MOST_SHARES:
        raise InvalidValueError(f"the sample market has 1 to {MOST_SHARES} shares, not {count}")
    return tuple(_share(SECTORS[i % len(SECTORS)], i // len(SECTORS) + 1) for i in range(count))


def synthetic_index(shares: tuple[SyntheticShare, ...]) -> SyntheticIndex:
    """The index of all these shares, 20,000.00 at the start."""
    return SyntheticIndex(symbol=INDEX_SYMBOL, members=tuple(share.symbol for share in shares))


def tick_of(price: int) -> int:
    """NSE's cash tick at a price, both in paise.

    >>> tick_of(24_999), tick_of(25_000), tick_of(250_000)
    (1, 5, 10)
    """
    for below, tick in _TICKS:
        if price < below or (price == below and below > 25_000):
            return tick
    return _LARGEST_TICK


def _share(sector: str, number: int) -> SyntheticShare:
    symbol = f"SYN{sector}{number}"
    words = raw_words(_CHARACTER_SEED, Purpose.SHARE, symbol, 0, 2)
    a, b, c, d = (float(uniform(words[:1], k)[0]) for k in range(4))
    e, f = (float(uniform(words[1:], k)[0]) for k in range(2))
    # Prices from 120 to 3,720 rupees, more of them low than high; the square keeps to exact arithmetic.
    price = round(12_000 + 360_000 * a * a)
    tick = tick_of(price)
    price -= price % tick
    return SyntheticShare(
        symbol=symbol,
        sector=sector,
        start_price=price,
        tick=tick,
        lot_size=max(25, round(_LOT_VALUE / price / 25) * 25),
        market_beta=0.7 + 0.6 * b,
        sector_beta=0.8 + 0.4 * c,
        volatility=0.008 + 0.007 * d,
        # 40 to 340 crore rupees traded a day; a market value of 1 to 6 lakh crore.
        daily_volume=round((40_000_000_000 + 300_000_000_000 * e * e) / price),
        shares_outstanding=round((100_000_000_000_000 + 500_000_000_000_000 * f) / price),
    )
