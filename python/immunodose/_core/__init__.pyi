# SPDX-License-Identifier: BSD-3-Clause
from . import physics as physics
