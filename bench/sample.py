"""How fast the synthetic market is made.  Run: .venv/bin/python bench/sample.py"""

from datetime import date

from timing import median_seconds, peak_megabytes, row

from trademantra.data.sample.calendar import option_expiries, trading_days
from trademantra.data.sample.market import SyntheticMarket
from trademantra.data.sample.minutes import generate_bars
from trademantra.data.sample.options import generate_option_chain
from trademantra.data.sample.ticks import generate_ticks
from trademantra.data.sample.universe import INDEX_SYMBOL, synthetic_index, synthetic_shares


def main() -> None:
    days = trading_days(date(2025, 1, 1), date(2025, 12, 31))
    shares = synthetic_shares(20)
    market = SyntheticMarket(seed=7, days=days, shares=shares, indices=(synthetic_index(shares),))
    last = days[-1]
    noon = last.intervals[0][0] + 3 * 3_600 * 10**9
    (expiry,) = option_expiries(last.trade_date, 1, weekly=True)
    print("| task | goal | measured |\n|---|---|---|")
    row(
        "a year of 1-minute bars, 20 shares and an index",
        "a few s",
        f"{median_seconds(lambda: generate_bars(market), repeats=3):.2f} s",
    )
    row("peak memory of that, result included", "-", f"{peak_megabytes():.0f} MiB")
    row(
        "ticks of a share on the last day",
        "-",
        f"{median_seconds(lambda: generate_ticks(market, 'SYNBANK1', last.trade_date)) * 1e3:.1f} ms",
    )
    row(
        "ticks of the index on the last day",
        "-",
        f"{median_seconds(lambda: generate_ticks(market, INDEX_SYMBOL, last.trade_date)) * 1e3:.1f} ms",
    )
    row(
        "option chain on the index, 41 strikes, last day",
        "-",
        f"{median_seconds(lambda: generate_option_chain(market, INDEX_SYMBOL, noon, expiry)) * 1e3:.1f} ms",
    )


if __name__ == "__main__":
    main()
