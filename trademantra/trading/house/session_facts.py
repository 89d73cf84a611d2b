"""What a back-test of a session needs to know, kept beside its ticks and bars."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, time
from pathlib import Path

from trademantra.core.time import IST, ist_date, ns_of
from trademantra.data.durable import replace_file
from trademantra.trading.accounts.settings import PaperAccountSettings
from trademantra.trading.house.session_history import SessionHistory
from trademantra.trading.house.session_spec import SessionParts, SessionSpec
from trademantra.trading.runner.spec import RunSpec
from trademantra.trading.session.facts import RunFacts, SessionFacts
from trademantra.trading.session.parity import STRATEGY_FILE
from trademantra.trading.session.tape import write_charges


def write_facts(
    spec: SessionSpec, parts: SessionParts, runs: Collection[RunSpec], history: SessionHistory, began_ns: int
) -> None:
    """Write them anew, up to the present day."""
    today = ist_date(parts.clock.now_ns())
    settings = parts.room.account.settings
    fills: dict[str, object] = {}
    if isinstance(settings, PaperAccountSettings):  # how the exchange fills is the account's matter
        liquidity = settings.exchange_settings().liquidity
        fills = {
            "slippage": liquidity.slippage, "participation": liquidity.participation, "limit_touch": liquidity.limit_touch,
        }  # fmt: skip
    facts = SessionFacts(
        session_id=spec.session_id, account_id=spec.account_id, mode=parts.room.account.mode.value, is_replay=False,
        timeframe=spec.timeframe, instruments=spec.instruments,
        runs=[
            RunFacts(
                run_id=run.run_id, strategy=run.strategy, symbols=tuple(run.symbols), values=run.values,
                rules=replace(run.rules, **fills),  # type: ignore[arg-type]
                parameters_hash=run.parameters_hash, own=run.own,
            )
            for run in runs
        ],
        spans=history.spans(history.first_day or today, today),
        begin_ns=_first_decided_ns(spec, history, began_ns),
        lateness_ns=parts.hub.settings.bars.lateness_ns, leave_minute=spec.leave_minute, last_entry_minute=spec.last_entry_minute,
        first_entry_minute=spec.first_entry_minute,
        bars_per_year=spec.bars_per_year, costs="none" if spec.tariff == "none" else "account", product=spec.product.value,
        source=parts.source,
    )  # fmt: skip
    facts.write(parts.folder)
    write_charges(parts.folder, spec.charges)
    kept = parts.folder / STRATEGY_FILE
    if spec.strategy.is_file and not kept.exists():
        replace_file(kept, Path(spec.strategy.path).read_bytes())


def _first_decided_ns(spec: SessionSpec, history: SessionHistory, began_ns: int) -> int:
    """From where on a bar may be decided on: the one that was forming when the session began, or the first new day."""
    if spec.timeframe.is_intraday or history.first_day is None:
        return began_ns - (spec.timeframe.length_ns if spec.timeframe.is_intraday else 0) + 1
    return ns_of(datetime.combine(history.first_day, time(), IST))
