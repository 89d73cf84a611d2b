"""The process of a strategy: `python -P -m trademantra.trading.runner.worker FD PARENT`.

It speaks over the one socket that it inherits, confines itself before any strategy is loaded, answers each request once
and in order, and ends when the desk does.
"""

import os
import socket
import sys
import warnings
from io import BufferedIOBase, BufferedReader

from trademantra.trading.runner.confine import confine, die_with_parent, terms_of
from trademantra.trading.runner.wire import (
    HEADER,
    FrameKind,
    Header,
    ProtocolError,
    body_of,
    header_of,
    packed,
)

_LARGEST_REQUEST = 1 << 31


def main() -> None:
    """Serve until the desk closes the socket."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(parent)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]  # text streams here
    with socket.socket(fileno=descriptor) as link:
        link.set_inheritable(False)
        serve(link)
    os._exit(0)  # threads that a strategy left behind do not keep the process


def serve(link: socket.socket) -> None:
    frames = BufferedReader(socket.SocketIO(link, "r"), 1 << 16)
    first = _next(frames)
    if first is None:
        return
    held = confine(terms_of(body_of(first[1])))
    link.sendall(packed(FrameKind.ANSWER, first[0].number, held))

    # numba asks for a lock in /dev/shm, for processes that it forks: none are
    warnings.filterwarnings("ignore", "(?s).*Could not obtain multiprocessing lock")
    from trademantra.trading.runner.hosting import (
        Host,
    )  # the engine is loaded by a process that is confined already

    host = Host(lambda run: link.sendall(packed(FrameKind.AT, run)))
    while (frame := _next(frames)) is not None:
        header, body, raw = frame
        answer = host.answer(body_of(body), raw)
        sys.stdout.flush()
        sys.stderr.flush()
        link.sendall(packed(FrameKind.ANSWER, header.number, answer))


def _next(frames: BufferedIOBase) -> tuple[Header, bytes, bytes] | None:
    data = frames.read(HEADER.size)
    if len(data) < HEADER.size:
        return None
    header = header_of(data, largest=_LARGEST_REQUEST)
    if header.kind is not FrameKind.REQUEST:
        raise ProtocolError(f"the desk sent a frame of kind {header.kind.name}")
    return header, frames.read(header.body_length), frames.read(header.raw_length)


if __name__ == "__main__":
    main()
