"""`ANTHROPIC_PROXY_*` variables: which setting each one gives."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from proxy.settings.errors import SettingsError
from proxy.settings.keys import NAME, PREFIX, Key, KeyPath

CONFIG = f"{PREFIX}CONFIG"
"""Names the settings file."""

_RESERVED = frozenset({CONFIG, f"{PREFIX}CACHE"})
"""Not settings; the second names the folder where development tools keep what they built."""

# Kubernetes gives every container of a namespace with a Service named anthropic-proxy… such variables:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_SERVICE_LINK = re.compile(r"(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_\w+)?)?)")


def given(environ: Mapping[str, str], keys: tuple[Key, ...], names: Mapping[str, frozenset[str]]) -> dict[str, KeyPath]:
    """Variable → path of the setting it gives. Raises SettingsError for one that no setting has.

    `names` are the names in use under `upstreams` and `endpoints`: a variable spells them in capitals with `_` for `-`.
    """
    found: dict[str, KeyPath] = {}
    for variable, value in environ.items():
        rest = variable.removeprefix(PREFIX)
        if rest == variable or variable in _RESERVED or _SERVICE_LINK.fullmatch(rest) or value == "":
            continue
        paths = (path for key in keys if (path := _path(variable, key, names)) is not None)
        path = next(paths, None)
        if path is None:
            raise SettingsError(f"is not a setting; {_suggestion(variable, keys)}", where=variable)
        found[variable] = path
    return found


def _path(variable: str, key: Key, names: Mapping[str, frozenset[str]]) -> KeyPath | None:
    if NAME not in key.path:
        return key.path if variable == key.variable else None
    before, after = key.variable.split("<NAME>")
    if not (variable.startswith(before) and variable.endswith(after) and len(variable) > len(before + after)):
        return None
    spelled = variable.removeprefix(before).removesuffix(after)
    known = (name for name in names.get(key.path[0], ()) if name.replace("-", "_").upper() == spelled)
    name = next(known, spelled.lower())
    return tuple(name if part == NAME else part for part in key.path)


def _suggestion(variable: str, keys: tuple[Key, ...]) -> str:
    names = {key.variable.removeprefix(PREFIX): key.variable for key in keys}
    close = difflib.get_close_matches(variable.removeprefix(PREFIX), names, n=1)
    return f"did you mean {names[close[0]]}?" if close else "`anthropic-proxy config show` lists them"
