"""bt: a tree of strategies over pandas frames; fills at the close of the rebalance day."""

import bt
import data
import pandas as pd
from harness import main, task
from reference import momentum_weights


@task("T3")
def momentum():
    p = data.load("panel")
    idx = pd.bdate_range("2010-01-04", periods=len(p["close"]))
    close = pd.DataFrame(p["close"], index=idx, columns=[f"s{i}" for i in range(p["close"].shape[1])])

    def work():
        w = pd.DataFrame(momentum_weights(p["close"]), index=idx, columns=close.columns).dropna()
        algos = [bt.algos.WeighTarget(w), bt.algos.Rebalance()]
        s = bt.Strategy("momentum", algos)
        test = bt.Backtest(
            s,
            close,
            initial_capital=1e8,
            integer_positions=False,
            commissions=lambda q, price: abs(q) * price * 0.001,
        )
        bt.run(test, progress_bar=False) if "progress_bar" in bt.run.__code__.co_varnames else bt.run(test)
        return test

    def check(test):
        # the first row bt adds before the data holds no trades
        orders = int((test.positions.diff().abs() > 1e-9).to_numpy().sum())
        return {"orders": orders, "equity": float(test.strategy.values.iloc[-1])}

    return work, check, close.size


if __name__ == "__main__":
    main()
