# SPDX-License-Identifier: BSD-3-Clause
"""Nuclear data, tables and biological parameters."""
