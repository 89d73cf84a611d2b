"""Every broker's adapter keeps the contract of `trademantra.brokers.port`."""

from pathlib import Path

import pytest

from tests.brokers.contract.suite import SCENARIOS, brokers, play


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("broker", brokers())
def test_contract(broker: str, scenario: str, tmp_path: Path) -> None:
    play(broker, scenario, tmp_path)


def test_every_broker_has_a_venue() -> None:
    """A folder of brokers/ without a folder here would be an adapter that nobody checks."""
    folders = Path(__file__).parents[3].joinpath("trademantra", "brokers").glob("*/__init__.py")
    assert {found.parent.name for found in folders} <= set(brokers())
