"""A script of its own, because Twisted's reactor cannot start twice: the broker's ticker client, told what to do by
its parent's lines on stdin, telling what it hears in JSON lines on stdout."""

import json
import sys
import threading

from kiteconnect import KiteTicker


def main() -> None:
    root, token, instruments = sys.argv[1], sys.argv[2], [int(word) for word in sys.argv[3].split(",")]
    client = KiteTicker("testkey", token, root=root)
    lock = threading.Lock()

    def tell(kind: str, data: object) -> None:
        with lock:
            print(json.dumps({"kind": kind, "data": data}, default=str), flush=True)

    def connected(socket: KiteTicker, response: object) -> None:
        socket.subscribe(instruments)
        socket.set_mode(socket.MODE_LTP, instruments[:1])
        socket.set_mode(socket.MODE_FULL, instruments[2:])
        tell("connect", None)

    client.on_connect = connected
    client.on_ticks = lambda socket, ticks: tell("ticks", ticks)
    client.on_order_update = lambda socket, order: tell("order", order)
    client.on_close = lambda socket, code, reason: tell("close", code)
    client.on_error = lambda socket, code, reason: tell("error", [code, reason])
    client.on_reconnect = lambda socket, attempts: tell("reconnect", attempts)
    client.connect(threaded=True)
    for _ in sys.stdin:  # until the parent closes it
        continue
    client.close()


if __name__ == "__main__":
    main()
