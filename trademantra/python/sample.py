"""Data to try things with."""

from pathlib import Path

import polars as pl

from trademantra.data.home import data_home
from trademantra.data.sample.install import SampleRequest, install_sample


def sample_data(data_dir: Path | None = None) -> pl.DataFrame:
    """Make the sample data of `tm data sample`, offline: real daily prices of five US shares, an invented Indian market.

    Returns what there is now, one row a series or file.  Again it changes nothing: what is there is kept.
    """
    done = list(install_sample(data_dir or data_home(), SampleRequest()))
    return pl.DataFrame(
        {
            "data": [each.name for each in done],
            "rows": [each.rows for each in done],
            "invented": [each.synthetic for each in done],
        }
    )
