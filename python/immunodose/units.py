# SPDX-License-Identifier: BSD-3-Clause
"""Internal units (um, keV, s, ng, Gy, Bq) and the constants that connect them."""

from __future__ import annotations

# 1 keV deposited in 1 ng, in Gy; exact [SI Brochure, 9th edition, 2019: 1 eV = 1.602176634e-19 J].
GRAY_NG_PER_KEV = 1.602176634e-4

# 1 keV deposited in 1 g, in Gy.
GRAY_G_PER_KEV = GRAY_NG_PER_KEV * 1e-9

# Mass in ng of 1 um3 of water of 1 g/cm3.
NG_PER_UM3 = 1e-3

# 1 um in nm.
NM_PER_UM = 1000.0

# Fixed units of time [SI Brochure, 9th edition, 2019, Table 8].
SECONDS_PER_HOUR = 3600.0
SECONDS_PER_DAY = 86400.0
MINUTES_PER_DAY = 1440.0
HOURS_PER_DAY = 24.0
