"""The server against its own description: schemathesis asks, good and bad."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import APIOperation, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.sandbox.kite.asking import Asking
from tests.sandbox.kite.market_making import opening
from tests.sandbox.kite.serving import running
from trademantra.sandbox.kite.app import OPERATIONS
from trademantra.sandbox.kite.description import described

# these move the clock, break things on purpose or end the session of all later cases
LEFT_OUT = ("/sandbox/clock", "/sandbox/faults", "/connect/login")
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def asking() -> Iterator[Asking]:
    with running() as server:
        server.feed_batch(opening(server.known))
        yield Asking.of(server)


SYMBOLS = ["INFY", "NIFTY26NOVFUT", "NIFTY26NOV25000CE", "CRUDEOIL26DECFUT", "NIFTY 50", "NOSUCH"]


def with_symbols(value: object) -> object:
    """The description with symbols that are listed, so that what is asked gets past the first check."""
    if isinstance(value, list):
        return [with_symbols(item) for item in value]
    if not isinstance(value, dict):
        return value
    named = {"tradingsymbol", "lhs_tradingsymbol", "rhs_tradingsymbol"} & set(value)
    return {name: with_symbols(item) for name, item in value.items()} | {
        name: {"enum": SYMBOLS} for name in named
    }


SCHEMA = schemathesis.openapi.from_dict(with_symbols(described(OPERATIONS, "http://127.0.0.1")))
ASKED = [found.ok() for found in SCHEMA.exclude(path=list(LEFT_OUT)).get_all_operations()]
CASES = [
    pytest.param(operation, mode, id=f"{operation.label} {mode.value}")
    for operation in ASKED
    for mode in GenerationMode
    # what takes nothing cannot be asked wrongly
    if mode is GenerationMode.POSITIVE or operation.query or operation.path_parameters or operation.body
]


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_nothing_breaks_and_what_is_refused_changes_nothing(
    operation: APIOperation, mode: GenerationMode, asking: Asking
) -> None:
    exchange = asking.server.sandbox.host.exchange
    cases = operation.as_strategy(generation_mode=mode)

    @settings(
        max_examples=8,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: schemathesis.Case) -> None:
        before = exchange.snapshot()
        reply = case.call(
            base_url=asking.server.root,
            headers={"Authorization": f"token testkey:{asking.token}"},
            allow_redirects=False,
        )
        case.validate_response(reply, checks=CHECKS)
        if reply.status_code >= 400:
            assert exchange.snapshot() == before

    ask()


def test_the_description_names_every_route(asking: Asking) -> None:
    found = asking.client.get("/sandbox/openapi.json").json()
    named = {(method.upper(), path) for path, methods in found["paths"].items() for method in methods}
    assert named == {(operation.method, operation.path) for operation in OPERATIONS}
    ids = [one["operationId"] for methods in found["paths"].values() for one in methods.values()]
    assert len(set(ids)) == len(ids)
