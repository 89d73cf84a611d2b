"""The browser's part: page, form, redirect."""

import dataclasses
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from tests.sandbox.kite.serving import running
from trademantra.sandbox.kite.accounts import default_account
from trademantra.sandbox.kite.settings import KiteSettings

MANUAL = KiteSettings(rate_limits=False, auto_login=False)
ACCOUNT = default_account("http://127.0.0.1:1")


def test_a_browser_sees_a_page_and_is_sent_back_with_a_token() -> None:
    account = dataclasses.replace(
        ACCOUNT, redirect_url="http://localhost:5000/cb?shop=1", password="s3cret", user_name="<b>Asha</b>"
    )
    with (
        running(MANUAL, [account]) as server,
        httpx2.Client(base_url=server.root, trust_env=False) as browser,
    ):
        page = browser.get("/connect/login?v=3&api_key=testkey&redirect_params=state%3D7%26x%3Dy")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert "<b>Asha" not in page.text
        assert "&lt;b&gt;Asha" in page.text
        form = {
            "api_key": "testkey",
            "user_id": "ab1234",
            "password": "wrong",
            "redirect_params": "state=7&x=y",
        }
        wrong = browser.post("/connect/login", data=form)
        assert wrong.status_code == 403
        assert "wrong password" in wrong.text
        done = browser.post("/connect/login", data=form | {"password": "s3cret"})
        assert done.status_code == 302
        target = urlsplit(done.headers["location"])
        assert (target.netloc, target.path) == ("localhost:5000", "/cb")
        query = dict(parse_qsl(target.query))
        token = query.pop("request_token")
        assert len(token) == 32
        assert query == {
            "shop": "1", "action": "login", "type": "login", "status": "success", "state": "7", "x": "y"
        }  # fmt: skip


@pytest.mark.parametrize("query", ["", "?v=3", "?v=3&api_key=nosuch", "?v=2&api_key=testkey"])
def test_an_app_that_nobody_knows(query: str) -> None:
    with running() as server:
        page = httpx2.get(f"{server.root}/connect/login{query}", trust_env=False)
    assert page.status_code == 400
    assert "Cannot log in" in page.text


def test_the_default_redirect_ends_on_a_page_that_shows_the_token() -> None:
    with running() as server, httpx2.Client(base_url=server.root, trust_env=False) as browser:
        login = browser.get("/connect/login?v=3&api_key=testkey")
        assert login.headers["location"].startswith(f"{server.root}/connect/finish?request_token=")
        page = browser.get(login.headers["location"])
        token = dict(parse_qsl(urlsplit(login.headers["location"]).query))["request_token"]
        assert token in page.text
        assert browser.get("/").status_code == 200
