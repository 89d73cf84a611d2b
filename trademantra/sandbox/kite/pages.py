"""The pages of the login: one file each, no script, light and dark, readable on a phone."""

from collections.abc import Sequence
from html import escape
from string import Template

from trademantra.sandbox.kite.accounts import KiteAccount

_STYLE = """
:root{color-scheme:light dark;--back:#f4f5f7;--card:#fff;--ink:#1c2330;--soft:#5d6675;--line:#d9dde4;--go:#c2410c;
--go-ink:#fff;--bad:#b42318}
@media (prefers-color-scheme:dark){:root{--back:#12151b;--card:#1b2029;--ink:#e8ebf0;--soft:#9aa4b3;--line:#323a47;
--go:#f97316;--go-ink:#1a1208;--bad:#f97066}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.25rem;background:var(--back);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{width:100%;max-width:24rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:14px}
h1{margin:0 0 .25rem;font-size:1.35rem}
p{margin:.25rem 0 1rem;color:var(--soft)}
label{display:block;margin:1rem 0 .35rem;font-weight:600}
input,select{width:100%;padding:.7rem .8rem;font:inherit;color:inherit;background:transparent;
border:1px solid var(--line);border-radius:8px}
select option{color:#1c2330;background:#fff}
button{width:100%;margin-top:1.5rem;padding:.8rem;font:inherit;font-weight:600;color:var(--go-ink);
background:var(--go);border:0;border-radius:8px;cursor:pointer}
input:focus-visible,select:focus-visible,button:focus-visible{outline:3px solid var(--go);outline-offset:2px}
.bad{color:var(--bad)}
code{display:block;padding:.7rem .8rem;border:1px solid var(--line);border-radius:8px;overflow-wrap:anywhere}
small{display:block;margin-top:1.5rem;color:var(--soft)}
"""

_PAGE = Template(
    """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>$title</title><style>$style</style></head>
<body><main>$body</main></body></html>
"""
)
_ASK_FOR_IT = (
    '<label for="password">Password</label>'
    '<input id="password" name="password" type="password" autocomplete="current-password">'
)
_NOTE = "<small>Trade Mantra sandbox: simulated money, no connection to Zerodha.</small>"


def login_page(users: Sequence[KiteAccount], api_key: str, redirect_params: str, wrong: str) -> str:
    """The form.  `wrong` says why the last try failed."""
    options = "".join(
        f'<option value="{escape(user.user_id)}">{escape(user.user_id)} – {escape(user.user_name)}</option>'
        for user in users
    )
    asked = ""
    if any(user.password for user in users):
        asked = _ASK_FOR_IT
    problem = f'<p class="bad" role="alert">{escape(wrong)}</p>' if wrong else ""
    return _page(
        "Log in – Kite sandbox",
        f"""<h1>Log in</h1><p>The app <strong>{escape(api_key)}</strong> asks for access to a sandbox account.</p>
{problem}<form method="post" action="/connect/login">
<input type="hidden" name="api_key" value="{escape(api_key)}">
<input type="hidden" name="redirect_params" value="{escape(redirect_params)}">
<label for="user_id">User</label><select id="user_id" name="user_id">{options}</select>{asked}
<button type="submit">Log in</button></form>{_NOTE}""",
    )


def finish_page(request_token: str) -> str:
    """Where the redirect of the default account leads."""
    if not request_token:
        return refusal_page("The login was not finished: no request_token came back.")
    return _page(
        "Logged in – Kite sandbox",
        f"""<h1>Logged in</h1><p>Give this request_token to your program. It works once, for a few minutes.</p>
<code>{escape(request_token)}</code>{_NOTE}""",
    )


def refusal_page(reason: str) -> str:
    """Why there is no login."""
    return _page(
        "Cannot log in – Kite sandbox",
        f'<h1>Cannot log in</h1><p class="bad" role="alert">{escape(reason)}</p>{_NOTE}',
    )


def home_page(root: str, users: Sequence[KiteAccount]) -> str:
    """What a browser sees at `/`."""
    user = users[0]
    return _page(
        "Kite sandbox",
        f"""<h1>Kite sandbox</h1><p>A simulated exchange that speaks Kite Connect v3.</p>
<p>Root URL of your program</p><code>{escape(root)}</code>
<p></p><p>Log in</p><code>{escape(root)}/connect/login?v=3&amp;api_key={escape(user.api_key)}</code>
<p></p><p>State, and the description of all routes</p><code>{escape(root)}/sandbox/state</code>
<p></p><code>{escape(root)}/sandbox/openapi.json</code>{_NOTE}""",
    )


def _page(title: str, body: str) -> str:
    return _PAGE.substitute(title=escape(title), style=_STYLE, body=body)
