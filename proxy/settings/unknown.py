"""Keys that no setting has, and those of features that are not built yet."""

from __future__ import annotations

import difflib

from proxy.settings.errors import SettingsError
from proxy.settings.keys import NAME, Key, KeyPath

UNBUILT = {
    ("keys",): "keys issued to clients are",
    ("credentials",): "a pool of your own credentials is",
    ("archive",): "an archive of several nodes is",
    ("relay", "replay_max_bytes"): "trying another credential or upstream is",
}
"""Tables and keys that the design has and this version has not."""


def refuse_unknown(path: KeyPath, value: object, where: str, keys: tuple[Key, ...]) -> None:
    """Raises SettingsError unless the path is a key's, or an empty table's on the way to one."""
    for unbuilt, feature in UNBUILT.items():
        if path[: len(unbuilt)] == unbuilt:
            raise SettingsError(f"{'.'.join(unbuilt)}: {feature} not built yet; remove it", where=where)
    if any(key.fits(path) for key in keys):
        return
    if any(key.continues(path) for key in keys):
        if value != {}:
            named = any(key.continues((*path, "")) and key.path[len(path)] == NAME for key in keys)
            table = ".".join((*path, "<name>") if named else path)
            raise SettingsError(f"{'.'.join(path)}: expected a table, write [{table}]", where=where)
        return
    wrong = _unknown_part(path, keys)
    if any(key.fits(wrong[:-1]) for key in keys):
        raise SettingsError(f"{'.'.join(wrong[:-1])}: expected a value, not a table", where=where)
    raise SettingsError(f"{'.'.join(wrong)} is not a setting; {_suggestion(wrong, keys)}", where=where)


def _unknown_part(path: KeyPath, keys: tuple[Key, ...]) -> KeyPath:
    """The shortest beginning that leads to no key."""
    beginnings = (path[:length] for length in range(1, len(path) + 1))
    return next(part for part in beginnings if not any(key.continues(part) for key in keys))


def _suggestion(path: KeyPath, keys: tuple[Key, ...]) -> str:
    """The sibling that is spelled most alike, else the key anywhere whose name it is or resembles."""
    siblings = {key.path[len(path) - 1] for key in keys if key.continues(path[:-1]) and len(key.path) >= len(path)}
    close = difflib.get_close_matches(path[-1], sorted(siblings), n=1)
    if close:
        return f"did you mean {'.'.join((*path[:-1], close[0]))}?"
    elsewhere = {key.path[-1]: key.dotted for key in reversed(keys)}
    close = difflib.get_close_matches(path[-1], sorted(elsewhere), n=1)
    return f"did you mean {elsewhere[close[0]]}?" if close else "`anthropic-proxy config show` lists them"
