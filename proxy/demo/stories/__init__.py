"""The stories that the sample traffic plays and the fake model knows the answers to."""

from __future__ import annotations

from proxy.demo.stories.dates import DATES
from proxy.demo.stories.export import EXPORT
from proxy.demo.stories.flaky import FLAKY
from proxy.demo.stories.login import LOGIN
from proxy.demo.stories.manual import MANUAL
from proxy.demo.stories.report import REPORT
from proxy.demo.stories.story import Story

STORIES: tuple[Story, ...] = (LOGIN, REPORT, DATES, EXPORT, FLAKY, MANUAL)
