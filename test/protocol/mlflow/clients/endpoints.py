"""Every endpoint that MLflow's own server has, one a line: the method and the path, `:` before a parameter."""

import re

from mlflow.server import handlers

ENDPOINTS = {
    f"{method} {re.sub(r'<(?:path:)?([a-z_]+)>', lambda name: ':' + name[1], path)}"
    for path, _handler, methods, *_ in handlers.get_endpoints()
    for method in methods
}
print("\n".join(sorted(ENDPOINTS)))
