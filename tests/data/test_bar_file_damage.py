"""A bar file that is not what was written, or lies in the place of another, is never read as if it were right."""

import json
import os
import shutil
from datetime import date, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.data.bar_making import bars_at, same
from trademantra.core.errors import BadInputError
from trademantra.core.time import IST, NANOSECONDS_PER_MINUTE, ns_of
from trademantra.data.adjust import AdjustmentEvent, AdjustmentEvents
from trademantra.data.audit import audit
from trademantra.data.imports.importer import ImportJob, run
from trademantra.data.imports.model import ImportOptions
from trademantra.data.series import Series
from trademantra.data.store import BarStore, SeriesInfo

SERIES = Series.parse("NSE:RELIANCE:1m")
OTHER = Series.parse("NSE:TCS:1m")
NEW_YEAR_NS = ns_of(datetime(2025, 1, 1, 9, 15, tzinfo=IST))


def minutes(count, year=2025, seed=0):
    first_ns = ns_of(datetime(year, 1, 1, 9, 15, tzinfo=IST))
    return bars_at(first_ns + np.arange(count, dtype=np.int64) * NANOSECONDS_PER_MINUTE, seed)


def stored(root, count=60, info=None):
    store = BarStore(root)
    store.append(SERIES, minutes(count), info)
    return store, root / SERIES.path / "2025.parquet"


def test_a_file_with_any_one_byte_changed_is_refused_and_named(tmp_path):
    store, path = stored(tmp_path)
    sound = path.read_bytes()
    for at in range(0, len(sound), 3):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ (1 << at % 8)]) + sound[at + 1 :])
        for bounds in ((), (NEW_YEAR_NS, NEW_YEAR_NS + 10 * NANOSECONDS_PER_MINUTE)):
            with pytest.raises(BadInputError, match=r"2025\.parquet") as caught:
                store.read(SERIES, *bounds)
            assert "import that year again" in caught.value.hint
    path.write_bytes(sound)
    assert same(store.read(SERIES), minutes(60))


def test_prices_changed_inside_a_page_do_not_pass_for_prices(tmp_path):
    # Polars reads most of these without a word: zstd as Parquet writers use it has no checksum of its own.
    store, path = stored(tmp_path, 20_000)
    sound = path.read_bytes()
    accepted_by_polars = 0
    for at in range(1_000, len(sound) // 2, len(sound) // 40):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        try:
            pl.read_parquet(path, glob=False)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            continue
        accepted_by_polars += 1
        with pytest.raises(BadInputError, match="does not agree with its checksum"):
            store.read(SERIES)
    assert accepted_by_polars > 5


@pytest.mark.parametrize("cut", [1, 8, 100, 2_000])
def test_a_file_cut_short_is_refused(tmp_path, cut):
    store, path = stored(tmp_path, 500)
    path.write_bytes(path.read_bytes()[:-cut])
    for ask in (store.read, store.describe):
        with pytest.raises(BadInputError, match=r"2025\.parquet"):
            ask(SERIES)


def test_a_file_of_another_series_or_year_is_refused_and_says_whose_it_is(tmp_path):
    store, path = stored(tmp_path)
    store.append(OTHER, minutes(60, seed=3))
    shutil.copy(tmp_path / OTHER.path / "2025.parquet", path)
    for ask in (store.read, store.describe):
        with pytest.raises(
            BadInputError, match="holds NSE:TCS:1m of 2025, not NSE:RELIANCE:1m of 2025"
        ) as caught:
            ask(SERIES)
        assert "put the right file there" in caught.value.hint
    damaged: list[BadInputError] = []
    assert [entry.series for entry in store.series(damaged)] == [OTHER]
    assert "belongs elsewhere" in damaged[0].message
    shutil.copy(tmp_path / OTHER.path / "2025.parquet", tmp_path / OTHER.path / "2024.parquet")
    with pytest.raises(BadInputError, match="holds NSE:TCS:1m of 2025, not NSE:TCS:1m of 2024"):
        store.read(OTHER)


def test_a_link_to_nothing_is_damage_and_not_a_year_without_bars(tmp_path):
    store, path = stored(tmp_path)
    store.append(SERIES, minutes(5, 2026))
    path.unlink()
    path.symlink_to(tmp_path / "gone.parquet")
    for ask in (store.read, store.describe, store.without_checksum):
        with pytest.raises(BadInputError, match=r"2025\.parquet: .*a link to .*gone\.parquet"):
            ask(SERIES)


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path):
    store, path = stored(tmp_path)
    path.unlink()
    path.mkdir()
    damaged: list[BadInputError] = []
    assert store.series(damaged) == ()
    assert "cannot be opened" in damaged[0].message
    with pytest.raises(BadInputError, match="cannot be opened"):
        store.read(SERIES)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything"
)
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    store, path = stored(tmp_path)
    path.chmod(0)
    with pytest.raises(BadInputError, match="cannot be opened: Permission denied"):
        store.read(SERIES)


def as_an_older_version_wrote_it(path: Path) -> None:
    frame = pl.read_parquet(path, glob=False)
    facts = json.loads(pl.read_parquet_metadata(path)["trademantra"])
    del facts["series"], facts["year"]
    frame.write_parquet(path, metadata={"trademantra": json.dumps(facts)})


def test_a_file_without_checksum_is_read_and_data_check_tells_of_it(tmp_path):
    store, path = stored(tmp_path, info=SeriesInfo(source="\x01crc32:00000000:00000000"))
    assert store.without_checksum(SERIES) == ()
    as_an_older_version_wrote_it(path)
    assert same(store.read(SERIES), minutes(60))
    assert store.without_checksum(SERIES) == (2025,)
    [entry] = store.series()
    assert any("2025 has no checksum" in remark for remark in audit(store, entry).remarks)
    later = minutes(1).ts + 60 * NANOSECONDS_PER_MINUTE
    store.append(SERIES, bars_at(later))  # the year is written anew
    assert store.without_checksum(SERIES) == ()
    assert not any("checksum" in remark for remark in audit(store, store.series()[0]).remarks)


def test_an_old_file_of_another_year_or_with_fewer_bars_than_it_says_is_refused(tmp_path):
    store, path = stored(tmp_path)
    as_an_older_version_wrote_it(path)
    shutil.copy(path, path.with_name("2024.parquet"))
    with pytest.raises(BadInputError, match=r"2024\.parquet: .*its bars are not of 2024"):
        store.read(SERIES)
    path.with_name("2024.parquet").unlink()
    facts = pl.read_parquet_metadata(path)["trademantra"]
    pl.read_parquet(path, glob=False).head(50).write_parquet(path, metadata={"trademantra": facts})
    with pytest.raises(BadInputError, match="not those that its footer names"):
        store.read(SERIES)


def test_a_checksum_that_was_taken_out_is_missed(tmp_path):
    store, path = stored(tmp_path)
    facts = pl.read_parquet_metadata(path)["trademantra"]
    pl.read_parquet(path, glob=False).write_parquet(path, metadata={"trademantra": facts})
    with pytest.raises(BadInputError, match="its checksum is gone"):
        store.read(SERIES)


def test_splits_on_file_are_guarded_too(tmp_path):
    store, _ = stored(tmp_path)
    event = AdjustmentEvent("RELIANCE", date(2025, 1, 1), Fraction(1, 2), "bonus", "a test")
    store.put_events("NSE", AdjustmentEvents((event,)))
    path = tmp_path / "events" / "NSE.parquet"
    sound = path.read_bytes()
    for at in range(0, len(sound), 7):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ (1 << at % 8)]) + sound[at + 1 :])
        with pytest.raises(BadInputError, match=r"events/NSE\.parquet") as caught:
            store.read(SERIES, adjusted=True)
        assert "import the splits and bonuses" in caught.value.hint
    path.unlink()
    path.symlink_to(tmp_path / "gone")
    with pytest.raises(BadInputError, match="a link to"):
        store.events("NSE")
    path.unlink()
    pl.read_parquet(sound).write_parquet(path)  # as earlier versions wrote it
    assert store.events("NSE").of("RELIANCE") == (event,)


def imported(store, folder, *, replace=False):
    file = folder / "RELIANCE.csv"
    file.write_text("date,open,high,low,close,volume\n2025-01-01,10,12,9,11,100\n2025-01-02,11,12,10,11,50\n")
    options = ImportOptions(exchange="NSE", symbol="RELIANCE", timezone=IST, replace=replace)
    return run(ImportJob(paths=[file], options=options, rejects=folder / "rejects.csv"), store)


def test_importing_again_to_replace_gives_an_old_file_its_checksum(tmp_path):
    store, daily = BarStore(tmp_path / "bars"), Series.parse("NSE:RELIANCE:1d")
    imported(store, tmp_path)
    as_an_older_version_wrote_it(store.root / daily.path / "2025.parquet")
    imported(store, tmp_path)
    assert store.without_checksum(daily) == (2025,)
    imported(store, tmp_path, replace=True)
    assert store.without_checksum(daily) == ()


def test_damage_stops_an_import_into_its_own_series_and_into_no_other(tmp_path):
    store, path = stored(tmp_path / "bars")
    path.write_bytes(b"PAR1")
    imported(store, tmp_path)
    daily = store.root / Series.parse("NSE:RELIANCE:1d").path / "2025.parquet"
    daily.write_bytes(b"PAR1")
    with pytest.raises(BadInputError, match=r"1d.*2025"):
        imported(store, tmp_path, replace=True)
