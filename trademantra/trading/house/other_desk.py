"""Who serves an account already, in words that say what to do."""

from trademantra.kit.database import Database
from trademantra.kit.lease import LeaseHeldError
from trademantra.kit.models import LeaseRow
from trademantra.trading.control.state import StateStore
from trademantra.trading.lease_names import lease_name


async def another_desk(database: Database, account_id: str, now_ns: int) -> LeaseHeldError | None:
    """The refusal of a second desk on an account; None where no desk has it.  `now_ns` of the wall."""
    async with database.reading() as session:
        lease = await session.get(LeaseRow, lease_name(account_id))
    if lease is None or lease.expires_ns <= now_ns:
        return None
    machine, _, process = lease.owner.rpartition(":")
    state = (await StateStore(database).states()).get(account_id)
    told = {} if state is None or state.told.get("owner") != lease.owner else state.told
    since = f", since {told['since']} IST" if told.get("since") else ""
    stop = f"kill {process} on {machine}" if process.isdigit() else "end that process"
    return LeaseHeldError(
        f"another desk serves account {account_id}: process {process} on {machine or 'this machine'}{since}",
        hint=f"ask it: tm desk start, tm desk place … --account {account_id}; or end it first: Ctrl-C there, or {stop}",
    )
