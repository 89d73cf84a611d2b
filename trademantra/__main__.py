"""`python -m trademantra`."""

import signal

# Until the commands are loaded, Ctrl-C ends the process at once instead of showing in which import it was.
_interrupted = signal.getsignal(signal.SIGINT)
if _interrupted is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from trademantra.cli import main  # noqa: E402

signal.signal(signal.SIGINT, _interrupted)
main()
