"""`tm desk dead-man` and `alive` as a person types them."""

import json

import pytest

from tests.cli.test_desk import tm
from tests.cli.test_desk_place import live
from trademantra.core.errors import InvalidValueError, NotFoundError, TradeMantraError
from trademantra.kit.clock import SystemClock
from trademantra.trading.risk.kill import KillSwitch


def test_a_timer_is_armed_shown_and_taken_away(tmp_path):
    home = tmp_path / "home"
    assert "no dead-man timer is armed" in tm(home, "alive").output
    told = tm(home, "dead-man", "--minutes", "30", "--flatten").output
    assert "everything is killed, positions closed 30 minutes after" in told
    url = f"sqlite:///{tmp_path / 'tm.db'}"
    live(url)
    tm(home, "dead-man", "--minutes", "0.5", "--account", "asha", "--database", url)
    assert "account asha is killed 0:30 minutes after" in tm(home, "status", "--database", url).output
    told = json.loads(tm(home, "status", "--json", "--database", url).output)
    assert [(each["scope"], each["id"], each["flatten"]) for each in told["dead_men"]] == [
        ("all", "", True), ("account", "asha", False),
    ]  # fmt: skip
    now_ns = SystemClock().now_ns()
    desk = KillSwitch(home, now_ns)
    later_ns = now_ns + 29 * 10**9
    assert not desk.poll(later_ns)
    assert "account asha" in tm(home, "alive").output
    assert not desk.poll(later_ns + 29 * 10**9)
    assert [kill.name for kill in desk.poll(later_ns + 60 * 10**9)] == ["asha"]
    tm(home, "dead-man", "--off")
    assert "everything" not in tm(home, "alive").output
    with pytest.raises(NotFoundError, match="no dead-man timer of everything"):
        tm(home, "dead-man", "--off")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "say for how long"),
        (("--minutes", "5", "--off"), "say for how long"),
        (("--minutes", "0"), "half a minute to"),
        (("--minutes", "-5"), "half a minute to"),
        (("--minutes", "nan"), "half a minute to"),
        (("--minutes", "1e30"), "half a minute to"),
        (("--minutes", "5", "--account", " "), "has no name"),
    ],
)
def test_what_is_no_timer_is_told(tmp_path, words, says):
    with pytest.raises(InvalidValueError) as caught:
        tm(tmp_path / "home", "dead-man", *words)
    assert says in str(caught.value)


def test_a_timer_for_nobodys_account_is_refused_and_one_that_nobody_hears_is_said(tmp_path):
    home = tmp_path / "home"
    with pytest.raises(NotFoundError, match="asha"):
        tm(home, "dead-man", "--minutes", "5", "--account", "asha")
    (home / "alive").symlink_to(tmp_path / "missing" / "alive")
    with pytest.raises(TradeMantraError, match="NOBODY HEARD YOU"):
        tm(home, "alive")
