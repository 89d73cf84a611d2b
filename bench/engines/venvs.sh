#!/bin/sh
# One virtual environment a peer, newest releases as of November 2026.  Needs Python 3.11 and 3.12.
set -e
root=${BENCH_VENVS:-${TMPDIR:-/tmp}/eb}
mkdir -p "$root"
venv() { name=$1 python=$2; shift 2; [ -d "$root/$name" ] || "$python" -m venv "$root/$name"; "$root/$name/bin/pip" install -q "$@"; }
p11=${PYTHON311:-python3.11}
p12=${PYTHON312:-python3.12}
venv limit "$p11" numba numpy pandas
venv vbt   "$p11" vectorbt
venv vbtr  "$p11" "vectorbt[rust]"
venv raptor "$p11" raptorbt numpy
venv btpy  "$p11" backtesting
venv bktr  "$p11" backtrader numpy pandas
venv naut  "$p12" nautilus_trader
venv naut2 "$p12" "nautilus_trader==2.0.0rc6" numpy
venv bt    "$p11" bt
