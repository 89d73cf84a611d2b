"""Login, logout and the user: `/connect`, `/session`, `/user`."""

from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from trademantra.sandbox.kite import shapes
from trademantra.sandbox.kite.accounts import KiteAccount
from trademantra.sandbox.kite.errors import GENERAL, INPUT, KiteReplyError, bad_token, invalid, missing
from trademantra.sandbox.kite.json_form import Json
from trademantra.sandbox.kite.limits import Budget
from trademantra.sandbox.kite.operations import Answer, Call, Operation, Raw, Where, text
from trademantra.sandbox.kite.pages import finish_page, login_page, refusal_page

_HTML = "text/html; charset=utf-8"
_LONGEST_PARAMS = 2000


def login(call: Call) -> Answer:
    """The login page; with automatic login, the redirect at once."""
    users, params = _app(call.query.optional("api_key"), call.query.optional("v"), call)
    if isinstance(users, Raw):
        return users
    if call.desk.settings.auto_login:
        return _redirect(call, users[0], params)
    return _page(login_page(users, call.query.optional("api_key"), params, ""))


def submit_login(call: Call) -> Answer:
    """The login page's form."""
    api_key = call.form.optional("api_key")
    users, params = _app(api_key, "3", call)
    if isinstance(users, Raw):
        return users
    wanted = call.form.optional("user_id").upper()
    user = next((u for u in users if u.user_id.upper() == wanted), None)
    if user is None or (user.password and call.form.optional("password") != user.password):
        return _page(login_page(users, api_key, params, "Unknown user ID or wrong password."), status=403)
    return _redirect(call, user, params)


def finish_login(call: Call) -> Answer:
    """Where a login ends whose app has no page of its own: shows the request token to copy."""
    return _page(finish_page(call.query.optional("request_token")))


def open_session(call: Call) -> Json:
    """Request token for access token."""
    form = call.form
    opened = call.desk.sessions.exchange(
        form.optional("api_key"), form.optional("request_token"), form.optional("checksum")
    )
    return shapes.session(opened)


def end_session(call: Call) -> Json:
    """Log out."""
    query = call.query
    if query.has("refresh_token"):
        raise bad_token("Invalid `refresh_token`.")
    call.desk.sessions.end(query.text("api_key"), query.text("access_token"))
    return True


def renew_session(call: Call) -> Json:
    """Only platform apps have refresh tokens; nobody has one here."""
    for name in ("api_key", "refresh_token", "checksum"):
        if not call.form.has(name):
            raise missing(name)
    raise bad_token("Invalid `refresh_token`.")


def profile(call: Call) -> Json:
    return shapes.profile(call.session.account)


def full_profile(call: Call) -> Json:
    return shapes.full_profile(call.session.account, call.session.login_ns)


def margins(call: Call) -> Json:
    """Funds of both segments."""
    segments = call.desk.exchange.margins(call.user)
    return {name: shapes.plain(segment) for name, segment in segments.items()}


def segment_margins(call: Call) -> Json:
    """Funds of one segment."""
    segments = call.desk.exchange.margins(call.user)
    if call.path["segment"] not in segments:
        raise invalid("segment")
    return shapes.plain(segments[call.path["segment"]])


def refuse_funds(call: Call) -> Answer:
    """Mutual funds are not simulated."""
    raise KiteReplyError(404, GENERAL, "Mutual funds are not part of this sandbox.")


def _app(api_key: str, version: str, call: Call) -> tuple[tuple[KiteAccount, ...] | Raw, str]:
    params = call.query.optional("redirect_params") or call.form.optional("redirect_params")
    users = call.desk.sessions.users_of(api_key)
    if not users:
        return _page(refusal_page(f"No app has the api_key {api_key[:60]!r}."), status=400), params
    if version and version != "3":
        return _page(
            refusal_page("This is version 3 of the API: the login link needs v=3."), status=400
        ), params
    if len(params) > _LONGEST_PARAMS:
        raise KiteReplyError(400, INPUT, "Invalid `redirect_params`.")
    return users, params


def _redirect(call: Call, user: KiteAccount, params: str) -> Raw:
    """To the app's registered URL, with the request token and what the app asked to get back."""
    parts = urlsplit(user.redirect_url)
    query = [
        *parse_qsl(parts.query, keep_blank_values=True),
        ("request_token", call.desk.sessions.begin(user)),
        ("action", "login"),
        ("type", "login"),
        ("status", "success"),
        *parse_qsl(params, keep_blank_values=True),
    ]
    target = urlunsplit(
        (parts.scheme, parts.netloc, parts.path or "/", urlencode(query, quote_via=quote), "")
    )
    return Raw(b"", _HTML, 302, {"location": target, "cache-control": "no-store"})


def _page(html: str, *, status: int = 200) -> Raw:
    headers = {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action *; frame-ancestors 'none'",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }
    return Raw(html.encode(), _HTML, status, headers)


_LOGIN = (text("api_key", Where.QUERY), text("v", Where.QUERY), text("redirect_params", Where.QUERY))
_LOGIN_FORM = tuple(text(name, Where.FORM) for name in ("api_key", "user_id", "password", "redirect_params"))
_SEGMENT = text("segment", Where.PATH, words=("equity", "commodity"))

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET", path="/connect/login", summary="Login page", answer=login, parameters=_LOGIN,
        needs_login=False, budget=Budget.FREE, content_type="text/html",
    ),
    Operation(
        method="POST", path="/connect/login", summary="Login form", answer=submit_login, parameters=_LOGIN_FORM,
        needs_login=False, budget=Budget.FREE, content_type="text/html",
    ),
    Operation(
        method="GET", path="/connect/finish", summary="End of a login", answer=finish_login,
        parameters=(text("request_token", Where.QUERY),),
        needs_login=False, budget=Budget.FREE, content_type="text/html",
    ),
    Operation(
        method="POST", path="/session/token", summary="Exchange a request token", answer=open_session,
        parameters=tuple(
            text(name, Where.FORM, required=True) for name in ("api_key", "request_token", "checksum")
        ),
        needs_login=False, budget=Budget.FREE,
    ),
    Operation(
        method="DELETE", path="/session/token", summary="Log out", answer=end_session,
        parameters=tuple(text(name, Where.QUERY) for name in ("api_key", "access_token", "refresh_token")),
        needs_login=False, budget=Budget.FREE,
    ),
    Operation(
        method="POST", path="/session/refresh_token", summary="Renew a session", answer=renew_session,
        parameters=tuple(
            text(name, Where.FORM, required=True) for name in ("api_key", "refresh_token", "checksum")
        ),
        needs_login=False, budget=Budget.FREE,
    ),
    Operation(method="GET", path="/user/profile", summary="The user", answer=profile),
    Operation(method="GET", path="/user/profile/full", summary="The user, in full", answer=full_profile),
    Operation(method="GET", path="/user/margins", summary="Funds", answer=margins),
    Operation(
        method="GET", path="/user/margins/{segment}", summary="Funds of a segment", answer=segment_margins,
        parameters=(_SEGMENT,),
    ),
)  # fmt: skip
