"""What the strategy of a session holds in its account."""

from collections.abc import Mapping
from decimal import Decimal

from trademantra.core.errors import InvalidValueError
from trademantra.trading.house.room import AccountRoom
from trademantra.trading.house.session_spec import SessionSpec


def held_by(spec: SessionSpec, room: AccountRoom) -> Mapping[str, Decimal]:
    """Signed quantities by instrument, whichever session of it entered them."""
    keys = {instrument.key for instrument in spec.instruments.values()}
    return {
        key.instrument_key: position.quantity
        for key, position in room.desk.book.positions.items()
        if key.strategy_id == spec.strategy_id and key.instrument_key in keys and position.quantity
    }


def refuse_a_second(spec: SessionSpec, room: AccountRoom) -> None:
    """Positions are a strategy's, not a session's: what an earlier session of it holds would be netted with this one's,
    and its stops refused for closing nothing.

    Errors: `InvalidValueError`.
    """
    held = held_by(spec, room)
    if held:
        raise InvalidValueError(
            f"{spec.strategy_id} holds {', '.join(held)} in {spec.account_id} from an earlier session",
            hint="go on with that one (--session NAME, tm desk status shows it), or close it first: "
            f"tm desk close-all --account {spec.account_id} --strategy {spec.strategy_id}",
        )


def carried_words(spec: SessionSpec, held: Mapping[str, Decimal]) -> str:
    """For the owner, when the day is over: orders at an exchange end with it."""
    names = ", ".join(f"{quantity.normalize():f} {key}" for key, quantity in held.items())
    return (
        f"{spec.account_id} {spec.strategy.name}: {names} carried overnight; stops and targets ended with the day, "
        "nothing protects until they rest again from the next open on"
    )
