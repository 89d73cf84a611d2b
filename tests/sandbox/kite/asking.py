"""A plain client: what is sent and what comes back, without a library's opinion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx2

from tests.sandbox.kite.serving import Running
from trademantra.sandbox.kite.accounts import KiteAccount


@dataclass(slots=True)
class Asking:
    """Calls one sandbox as one login."""

    server: Running
    token: str
    client: httpx2.Client

    @classmethod
    def of(cls, server: Running, account: KiteAccount | None = None) -> "Asking":
        """Logged in; as the first account unless another is named."""
        client = httpx2.Client(base_url=server.root, trust_env=False)
        server.clients.append(client)
        return cls(server, server.login(account), client)

    def ask(
        self,
        method: str,
        path: str,
        form: Mapping[str, object] | None = None,
        *,
        query: Sequence[tuple[str, str]] = (),
        json: object = None,
        token: str | None = None,
    ) -> httpx2.Response:
        given = self.token if token is None else token
        headers = {"X-Kite-Version": "3"}
        if given:
            headers["Authorization"] = f"token testkey:{given}"
        return self.client.request(method, path, data=form, params=list(query), json=json, headers=headers)

    def get(self, path: str, *query: tuple[str, str]) -> object:
        """The data of a GET that succeeds."""
        return self.done(self.ask("GET", path, query=query))

    def post(self, path: str, form: Mapping[str, object]) -> object:
        return self.done(self.ask("POST", path, form))

    def place(self, variety: str = "regular", **terms: object) -> str:
        """An order id.  By default 10 INFY at a limit that does not trade."""
        form = order(**terms)
        return str(self.post(f"/orders/{variety}", form)["order_id"])

    def order(self, order_id: str) -> dict[str, object]:
        """Its last state."""
        return self.get(f"/orders/{order_id}")[-1]

    def done(self, reply: httpx2.Response) -> object:
        assert reply.status_code == 200, reply.text
        body = reply.json()
        assert body["status"] == "success"
        return body["data"]

    def refused(self, reply: httpx2.Response) -> tuple[int, str, str]:
        """Status, error type and message of a refusal; its body has Kite's shape."""
        body = reply.json()
        assert set(body) == {"status", "message", "data", "error_type"}, body
        assert body["status"] == "error"
        assert body["data"] is None
        assert reply.headers["content-type"].startswith("application/json")
        return reply.status_code, body["error_type"], body["message"]


def order(**terms: object) -> dict[str, object]:
    """An order form; `None` leaves a field out."""
    form = {
        "exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "BUY", "order_type": "LIMIT",
        "product": "MIS", "quantity": 10, "price": 1400, "validity": "DAY",
    } | terms  # fmt: skip
    return {name: value for name, value in form.items() if value is not None}
