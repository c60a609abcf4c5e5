# SPDX-License-Identifier: BSD-3-Clause
from . import geometry as geometry
from . import immune as immune
from . import physics as physics
from . import response as response
from . import transport as transport
