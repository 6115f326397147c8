"""onnxruntime's own operators. Importing this package registers them; the registry does when a model names one."""

from __future__ import annotations

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
