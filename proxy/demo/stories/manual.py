"""Writing a manual: one very long answer."""

from __future__ import annotations

from proxy.demo.stories.story import Call, Chapter, Step, Story

_FOLDER = "/home/dev/weatherbox"

_WRITE = Chapter(
    prompt="Write the operator's manual for the weather station: installation, settings, alarms, maintenance. "
    "Be complete.",
    steps=(
        Step(
            "A complete manual must not invent settings. I'll read the configuration schema, the alarm rules and the "
            "maintenance script.",
            "I'll read the settings, alarms and maintenance tasks first, so that the manual states only what exists.",
            (
                Call("Read", {"file_path": f"{_FOLDER}/weatherbox/settings.py"}, listing_lines=240),
                Call("Read", {"file_path": f"{_FOLDER}/weatherbox/alarms.py"}, listing_lines=200),
                Call("Read", {"file_path": f"{_FOLDER}/weatherbox/maintenance.py"}, listing_lines=150),
            ),
        ),
    ),
    thought="I have what I need. Structure: one section per subject, each with purpose, procedure, limits, and what to "
    "do when it fails.",
    answer="# Operator's manual\n\nThis manual describes the weather station as it is delivered.\n\n",
    long=True,
)

MANUAL = Story("Write operator's manual", _FOLDER, (_WRITE,))
