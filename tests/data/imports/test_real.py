"""Real NSE rows, put back into the columns of NSE's own files: what is stored is what they say.

The data has no licence and stays outside the project; without it these tests are skipped.
"""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from trademantra.core.time import ist_date
from trademantra.data.imports.model import ImportReport
from trademantra.data.series import Series
from trademantra.data.store import BarStore

Load = Callable[..., ImportReport]
INDIA = Path(__file__).parents[4] / "shared" / "data" / "india"


def real(name: str) -> pl.DataFrame:
    path = INDIA / name
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return pl.read_parquet(path)


def test_a_month_of_cash_bhavcopies(load: Load, store: BarStore, tmp_path: Path) -> None:
    frame = real("nse_bhavcopy_full_2024_10_2025_06.parquet").filter(
        pl.col("date").is_between(date(2024, 10, 1), date(2024, 10, 31)),
        pl.col("symbol").str.starts_with("RE"),
    )
    names = {
        "symbol": "SYMBOL", "series": "SERIES", "prev_close": "PREV_CLOSE", "open": "OPEN_PRICE", "high": "HIGH_PRICE",
        "low": "LOW_PRICE", "last": "LAST_PRICE", "close": "CLOSE_PRICE", "volume": "TTL_TRD_QNTY",
    }  # fmt: skip
    paths = []
    for (day,), rows in frame.group_by("date"):
        path = tmp_path / f"{day}.csv"
        rows.select(
            *(pl.col(ours).alias(theirs) for ours, theirs in names.items()),
            pl.col("date").dt.strftime("%d-%b-%Y").alias("DATE1"),
        ).write_csv(path)
        paths.append(path)
    load(*paths)
    assert len(store.series()) == frame["symbol"].n_unique()
    for (symbol,), rows in frame.sort("date").group_by("symbol"):
        bars = store.read(Series.parse(f"NSE:{symbol}:1d"))
        assert [ist_date(int(ts)) for ts in bars.ts] == rows["date"].to_list()
        for field in ("open", "high", "low", "close", "volume"):
            assert getattr(bars, field).tolist() == rows[field].to_list()


def udiff_columns(frame: pl.DataFrame) -> pl.DataFrame:
    plain = {
        "date": "TradDt", "type": "FinInstrmTp", "underlying": "TckrSymb", "expiry": "XpryDt", "strike": "StrkPric",
        "option_type": "OptnTp", "open": "OpnPric", "high": "HghPric", "low": "LwPric", "close": "ClsPric", "last": "LastPric",
        "contracts": "TtlTradgVol", "lot_size": "NewBrdLotQty",
    }  # fmt: skip
    return frame.select(
        pl.lit("FO").alias("Sgmt"),
        pl.lit("NSE").alias("Src"),
        *(pl.col(ours).alias(theirs) for ours, theirs in plain.items()),
    )


def test_a_day_of_contracts(load: Load, store: BarStore, tmp_path: Path) -> None:
    frame = real("nse_fo_bhavcopy_2026_01_02.parquet").filter(
        pl.col("date") == date(2026, 1, 5), pl.col("underlying").is_in(["NIFTYNXT50", "ABB"])
    )
    path = tmp_path / "fo.csv"
    udiff_columns(frame).write_csv(path)
    load(path)
    traded = frame.filter(pl.col("contracts") > 0)
    assert len(store.series()) == traded.height
    for row in traded.iter_rows(named=True):
        symbol = f"{row['underlying']}:{row['expiry']}:" + (
            f"{row['strike']:g}:{row['option_type']}" if row["type"].endswith("O") else "FUT"
        )
        bars = store.read(Series.parse(f"NSE:{symbol}:1d"))
        assert bars.volume.tolist() == [row["contracts"] * row["lot_size"]]
        assert bars.high.tolist() == [row["high"]]


def test_lots_proven_by_turnover_and_open_interest(load: Load, store: BarStore, tmp_path: Path) -> None:
    """The new file states each lot: written as an old file, which states none, the same lots must come out."""
    frame = real("nse_fo_bhavcopy_2026_01_02.parquet").filter(pl.col("date") == date(2026, 1, 5))
    close_traded = (pl.col("close") <= pl.col("high")) & (pl.col("close") >= pl.col("low"))
    names = ("NIFTY", "BANKNIFTY", "ABB", "RELIANCE", "YESBANK", "IDEA")
    frame = frame.filter(close_traded | (pl.col("contracts") == 0), pl.col("underlying").is_in(names))
    # Every future; of the options enough to prove the lots.
    frame = frame.filter(pl.col("type").is_in(["IDF", "STF"]) | (pl.col("strike").cast(pl.Int64) % 13 == 0))
    path = tmp_path / "old.csv"
    option = pl.col("type").str.ends_with("O")
    frame.select(
        (pl.when(option).then(pl.lit("OPT")).otherwise(pl.lit("FUT")) + pl.lit("X")).alias("INSTRUMENT"),
        pl.col("underlying").alias("SYMBOL"),
        pl.col("expiry").dt.strftime("%d-%b-%Y").alias("EXPIRY_DT"),
        pl.col("strike").fill_null(0).alias("STRIKE_PR"),
        pl.col("option_type").fill_null("XX").alias("OPTION_TYP"),
        *(pl.col(name).alias(name.upper()) for name in ("open", "high", "low", "close", "contracts")),
        (pl.col("turnover_inr") / 1e5).round(2).alias("VAL_INLAKH"),
        pl.col("oi").alias("OPEN_INT"),
        pl.col("oi_change").alias("CHG_IN_OI"),
        pl.col("date").dt.strftime("%d-%b-%Y").alias("TIMESTAMP"),
    ).write_csv(path)
    load(path)
    for row in frame.filter(pl.col("contracts") > 0, ~option).iter_rows(named=True):
        bars = store.read(Series.parse(f"NSE:{row['underlying']}:{row['expiry']}:FUT:1d"))
        assert bars.volume.tolist() == [row["contracts"] * row["lot_size"]]
