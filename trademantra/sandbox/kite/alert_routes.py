"""Alerts: `/alerts`."""

from trademantra.sandbox.kite.alerts import Attribute, alert_json
from trademantra.sandbox.kite.errors import missing
from trademantra.sandbox.kite.json_form import Json
from trademantra.sandbox.kite.operations import Call, Operation, Parameter, Where, real, text

_ID = text("uuid", Where.PATH)


def alerts(call: Call) -> Json:
    return [alert_json(alert) for alert in call.desk.alerts.of(call.user)]


def alert(call: Call) -> Json:
    return alert_json(call.desk.alerts.get(call.user, call.path["uuid"]))


def create_alert(call: Call) -> Json:
    return alert_json(call.desk.alerts.create(call.user, call.form, call.desk.listing))


def modify_alert(call: Call) -> Json:
    return alert_json(call.desk.alerts.modify(call.user, call.path["uuid"], call.form, call.desk.listing))


def delete_alerts(call: Call) -> Json:
    asked = call.repeated.get("uuid", ())
    if not asked:
        raise missing("uuid")
    call.desk.alerts.delete(call.user, asked)
    return None


def alert_history(call: Call) -> Json:
    return call.desk.alerts.history(call.user, call.path["uuid"])


_ATTRIBUTES = tuple(Attribute)
_TERMS = (
    text("name", Where.FORM, required=True), text("type", Where.FORM, words=("simple", "ato")),
    text("lhs_exchange", Where.FORM, required=True), text("lhs_tradingsymbol", Where.FORM, required=True),
    text("lhs_attribute", Where.FORM, required=True, words=_ATTRIBUTES),
    text("operator", Where.FORM, required=True, words=("<=", ">=", "<", ">", "==")),
    text("rhs_type", Where.FORM, words=("constant", "instrument")), real("rhs_constant", Where.FORM),
    text("rhs_exchange", Where.FORM), text("rhs_tradingsymbol", Where.FORM),
    text("rhs_attribute", Where.FORM, words=_ATTRIBUTES), text("basket", Where.FORM),
)  # fmt: skip

OPERATIONS: tuple[Operation, ...] = (
    Operation(method="GET", path="/alerts", summary="Alerts", answer=alerts),
    Operation(
        method="POST", path="/alerts", summary="Create an alert", answer=create_alert, parameters=_TERMS, changes=True
    ),
    Operation(
        method="DELETE", path="/alerts", summary="Delete alerts", answer=delete_alerts, changes=True,
        parameters=(Parameter("uuid", Where.QUERY, {"type": "string"}, required=True, repeated=True),),
    ),
    Operation(method="GET", path="/alerts/{uuid}", summary="One alert", answer=alert, parameters=(_ID,)),
    Operation(
        method="PUT", path="/alerts/{uuid}", summary="Modify an alert", answer=modify_alert, changes=True,
        parameters=(_ID, *_TERMS, text("status", Where.FORM, words=("enabled", "disabled"))),
    ),
    Operation(
        method="GET", path="/alerts/{uuid}/history", summary="When an alert struck", answer=alert_history,
        parameters=(_ID,),
    ),
)  # fmt: skip
