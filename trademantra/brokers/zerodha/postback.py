"""Postbacks: order updates that the broker posts to the app's https address (specs/brokers.md 1.10)."""

import hmac
from hashlib import sha256

from trademantra.brokers.errors import BrokerError, RequestRefusedError
from trademantra.brokers.zerodha.reply import Record, parse_json
from trademantra.kit.secrets import Secret

_LARGEST_BODY = 65_536


class PostbackRefusedError(RequestRefusedError):
    """A body that the broker did not send, or not for this account.  Answer 403 and change nothing."""

    code = "broker_postback_refused"


def verified_postback(body: bytes, api_secret: Secret, *, user_id: str = "") -> Record:
    """The order fields of a postback whose checksum is right.

    The checksum covers order id and time alone, and anybody who saw one postback can send it again with other
    fields: take it as a hint that the order changed, as the adapter does, and ask the book.
    Errors: `PostbackRefusedError`, the same for every fault, so that a stranger learns nothing.
    """
    refused = PostbackRefusedError(
        "a postback is not from Zerodha", hint="see the app's postback URL and api_secret"
    )
    if len(body) > _LARGEST_BODY:
        raise refused
    try:
        fields = Record(parse_json(body, "postback"), "postback")
        signed = fields.text("order_id") + fields.text("order_timestamp") + api_secret.reveal()
        given = fields.text("checksum").encode()
        account = fields.optional_text("user_id")
    except BrokerError:
        raise refused from None
    if not hmac.compare_digest(sha256(signed.encode()).hexdigest().encode(), given):
        raise refused
    if user_id and account not in (None, user_id):
        raise PostbackRefusedError("a postback is for another account", hint="register one app per account")
    return fields
