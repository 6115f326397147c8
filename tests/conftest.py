"""Every rule is registered before any test asks for one."""

from __future__ import annotations

import graphcost.rules  # noqa: F401  # importing registers
