#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Makes the virtual environment $1 and installs the tools of the `dev` group into it.
set -eu

venv=$1
python=$(sh scripts/check_prerequisites.sh)
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
# The pip that ships with Python 3.11 does not know --group yet.
"$venv/bin/python" -m pip install --quiet --upgrade "pip>=25.1"
"$venv/bin/python" -m pip install --quiet --group dev
