"""What a sweep's luck looks like in words and in JSON."""

from math import inf

from trademantra.engine.validation.luck import Luck
from trademantra.reports.json_values import Json, number


def luck_lines(luck: Luck) -> tuple[str, ...]:
    """Sentences for a person: the deflated Sharpe ratio, the record it needs, the probability of overfitting."""
    best, yearly = luck.best, luck.sessions_per_year**0.5
    lines = [
        (
            f"best Sharpe {_figure(best.sharpe * yearly)}; luck alone would show {_figure(best.threshold * yearly)} in "
            f"{best.trials:,.1f} independent trials of {best.combinations:,}: deflated Sharpe ratio "
            f"{_percent(best.probability)} (95 % is convincing)"
        )
    ]
    if best.track_record == inf:
        lines.append("it is not above luck: no track record would make it so")
    elif best.track_record > best.sessions:
        lines.append(f"{best.sessions:,} sessions are too few to say so: {best.track_record:,.0f} would do")
    if luck.overfitting is not None:
        lines.append(
            f"probability of overfitting {_percent(luck.overfitting.probability)} ({luck.overfitting.splits:,} splits; "
            f"50 % is pure luck), of a loss out of sample {_percent(luck.overfitting.probability_of_loss)}"
        )
    return tuple(lines)


def luck_object(luck: Luck) -> dict[str, Json]:
    """The members `deflated_sharpe` and `overfitting` of the JSON schemas (docs/validation.md)."""
    best, yearly, overfitting = luck.best, luck.sessions_per_year**0.5, luck.overfitting
    return {
        "deflated_sharpe": {
            "combinations": best.combinations,
            "independent_trials": number(best.trials),
            "best_sharpe": number(best.sharpe * yearly),
            "sharpe_expected_of_luck": number(best.threshold * yearly),
            "probability": number(best.probability),
            "probability_above_zero": number(best.probability_above_zero),
            "sessions": best.sessions,
            "sessions_needed": number(best.track_record),
        },
        "overfitting": None
        if overfitting is None
        else {
            "probability": number(overfitting.probability),
            "probability_of_loss": number(overfitting.probability_of_loss),
            "slope": number(overfitting.slope),
            "splits": overfitting.splits,
            "blocks": overfitting.blocks,
        },
    }


def _figure(value: float) -> str:
    return f"{value:,.2f}" if abs(value) < inf else "undefined"


def _percent(value: float) -> str:
    return f"{value:.1%}".replace("%", " %") if value == value else "undefined"
