"""Numbers for the instruments of paper accounts, which their journals go by: once given, the same for ever."""

import json
from collections.abc import Iterable
from pathlib import Path

from trademantra.brokers.listings import Listing, Listings
from trademantra.core.errors import BadInputError
from trademantra.core.instrument import Instrument
from trademantra.data.durable import replace_file
from trademantra.trading.terms import instrument_of_words, instrument_words

_FIRST = 1_000
_SEGMENT = 1  # stream segment of shares (specs/brokers.md 1.11)


class TokenBook:
    """The file that keeps them: every instrument that a paper account of this desk ever listed.

    Errors: `BadInputError` for a file that is damaged.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, Instrument] = {}
        if file.exists():
            try:
                self._known = {
                    each["key"]: instrument_of_words(each["words"]) for each in json.loads(file.read_bytes())
                }
            except (ValueError, KeyError, TypeError, ArithmeticError) as error:
                raise BadInputError(
                    file, f"cannot be read: {error}", hint="bring it back from a backup"
                ) from error

    def listings(self, instruments: Iterable[Instrument]) -> Listings:
        """Listings of these and of all that were listed before."""
        known = len(self._known)
        for instrument in instruments:
            self._known[instrument.key] = instrument
        if len(self._known) > known:
            plain = [{"key": key, "words": instrument_words(each)} for key, each in self._known.items()]
            replace_file(self._file, json.dumps(plain).encode())
        return Listings.of(
            [
                Listing(
                    each.exchange.value,
                    each.symbol,
                    (_FIRST + number) << 8 | _SEGMENT,
                    each,
                    name=each.symbol,
                )
                for number, each in enumerate(self._known.values())
            ]
        )
