"""What is built and how: the one table of server versions.

`docker-compose.yml` names the same versions (`tests/stack_files` compares them). Standard library only, so
that the build needs no environment.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

PROMETHEUS = "3.14.0"
LOKI = "3.7.8"
COLLECTOR = "0.159.0"
ALERTMANAGER = "0.31.1"
COMPOSE = "2.40.3"

COLLECTOR_STABLE = "1.65.0"
"""The providers of collector 0.159.0 carry a version of their own."""

GO_MINIMUM = (1, 26, 5)
"""What Loki's own module asks for, the highest of all."""


@dataclass(frozen=True)
class Recipe:
    """One server or tool: the files of an empty module directory and the commands that leave its programs in `out/`."""

    name: str
    """Short name; also the folder of its configuration where it has one."""
    version: str
    image: str | None
    """Container image of the same version, as `docker-compose.yml` names it; None for a tool that no container runs."""
    programs: tuple[str, ...]
    """File names under `out/` once the commands have run; the first is the server."""
    in_image: tuple[str, ...]
    """What runs each of these in a container: its path in the image; without an image, a command of Docker's."""
    files: tuple[tuple[str, str], ...]
    """(name, text) of what is written before the commands run."""
    commands: tuple[tuple[str, ...], ...]
    cold_seconds: int
    """Measured on two cores with empty caches; only for the progress line."""

    @property
    def folder(self) -> str:
        """Name of its folder in the cache: changes with whatever could change the result."""
        ingredients = repr((self.files, self.commands)).encode()
        return f"{self.name}-{self.version}-{hashlib.sha256(ingredients).hexdigest()[:12]}"


def _go_build(package: str, tags: str, program: str) -> tuple[str, ...]:
    return ("go", "build", "-mod=mod", "-trimpath", "-tags", tags, "-ldflags", "-s -w", "-o", f"out/{program}", package)


_PROMETHEUS_MODULE = """\
module anthropic-proxy/tests/servers/prometheus

go 1.26.5

require github.com/prometheus/prometheus v0.314.0

replace cloud.google.com/go => cloud.google.com/go v0.123.0
"""

# A module that requires Loki does not inherit Loki's own replacements, so they are repeated.
_LOKI_MODULE = f"""\
module anthropic-proxy/tests/servers/loki

go 1.26.5

require github.com/grafana/loki/v3 v{LOKI}

replace (
	github.com/Azure/azure-sdk-for-go => github.com/Azure/azure-sdk-for-go v68.0.0+incompatible
	github.com/Azure/azure-storage-blob-go => github.com/MasslessParticle/azure-storage-blob-go v0.14.1-0.20240322194317-344980fda573
	github.com/gocql/gocql => github.com/grafana/gocql v0.0.0-20200605141915-ba5dc39ece85
	github.com/grafana/regexp => github.com/grafana/regexp v0.0.0-20240518133315-a468a5bfb3bc
	github.com/hashicorp/memberlist => github.com/grafana/memberlist v0.3.1-0.20251126142931-6f9f62ab6f86
	github.com/influxdata/go-syslog/v3 => github.com/leodido/go-syslog/v4 v4.3.0
	github.com/thanos-io/objstore => github.com/grafana/objstore v0.0.0-20250728171719-b5d3b766d1b0
)

exclude k8s.io/client-go v8.0.0+incompatible
"""  # noqa: E501

_COLLECTOR_MANIFEST = f"""\
dist: {{name: otelcol, output_path: out, version: {COLLECTOR}}}
receivers:
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v{COLLECTOR}
processors:
  - gomod: go.opentelemetry.io/collector/processor/memorylimiterprocessor v{COLLECTOR}
  - gomod: go.opentelemetry.io/collector/processor/batchprocessor v{COLLECTOR}
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/processor/transformprocessor v{COLLECTOR}
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/processor/redactionprocessor v{COLLECTOR}
exporters:
  - gomod: go.opentelemetry.io/collector/exporter/otlpexporter v{COLLECTOR}
  - gomod: go.opentelemetry.io/collector/exporter/otlphttpexporter v{COLLECTOR}
  - gomod: go.opentelemetry.io/collector/exporter/debugexporter v{COLLECTOR}
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/exporter/fileexporter v{COLLECTOR}
extensions:
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/extension/healthcheckextension v{COLLECTOR}
  - gomod: github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage v{COLLECTOR}
providers:
  - gomod: go.opentelemetry.io/collector/confmap/provider/envprovider v{COLLECTOR_STABLE}
  - gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v{COLLECTOR_STABLE}
"""

_ALERTMANAGER_MODULE = f"""\
module anthropic-proxy/tests/servers/alertmanager

go 1.26.5

require github.com/prometheus/alertmanager v{ALERTMANAGER}
"""

# Compose's own two exclusions, which a module that requires it has to repeat.
_COMPOSE_MODULE = f"""\
module anthropic-proxy/tests/servers/compose

go 1.26.5

require github.com/docker/compose/v2 v{COMPOSE}

exclude (
	github.com/davecgh/go-spew v1.1.2-0.20180830191138-d8f796af33cc
	github.com/pmezard/go-difflib v1.0.1-0.20181226105442-5d4384ee4fb2
)
"""

RECIPES = (
    Recipe(
        name="alertmanager",
        version=ALERTMANAGER,
        image=f"prom/alertmanager:v{ALERTMANAGER}",
        programs=("alertmanager", "amtool"),
        in_image=("/bin/alertmanager", "/bin/amtool"),
        files=(("go.mod", _ALERTMANAGER_MODULE),),
        commands=(
            _go_build("github.com/prometheus/alertmanager/cmd/alertmanager", "netgo", "alertmanager"),
            _go_build("github.com/prometheus/alertmanager/cmd/amtool", "netgo", "amtool"),
        ),
        cold_seconds=60,
    ),
    Recipe(
        name="compose",
        version=COMPOSE,
        image=None,
        programs=("docker-compose",),
        in_image=("docker compose",),
        files=(("go.mod", _COMPOSE_MODULE),),
        commands=(_go_build("github.com/docker/compose/v2/cmd", "netgo", "docker-compose"),),
        cold_seconds=120,
    ),
    Recipe(
        name="otel-collector",
        version=COLLECTOR,
        image=f"otel/opentelemetry-collector-contrib:{COLLECTOR}",
        programs=("otelcol",),
        in_image=("/otelcol-contrib",),
        files=(("manifest.yaml", _COLLECTOR_MANIFEST),),
        commands=(("go", "run", f"go.opentelemetry.io/collector/cmd/builder@v{COLLECTOR}", "--config=manifest.yaml"),),
        cold_seconds=135,
    ),
    Recipe(
        name="prometheus",
        version=PROMETHEUS,
        image=f"prom/prometheus:v{PROMETHEUS}",
        programs=("prometheus", "promtool"),
        in_image=("/bin/prometheus", "/bin/promtool"),
        files=(("go.mod", _PROMETHEUS_MODULE),),
        commands=(
            _go_build("github.com/prometheus/prometheus/cmd/prometheus", "netgo,remove_all_sd", "prometheus"),
            _go_build("github.com/prometheus/prometheus/cmd/promtool", "netgo,remove_all_sd", "promtool"),
        ),
        cold_seconds=135,
    ),
    Recipe(
        name="loki",
        version=LOKI,
        image=f"grafana/loki:{LOKI}",
        programs=("loki",),
        in_image=("/usr/bin/loki",),
        files=(("go.mod", _LOKI_MODULE),),
        commands=(_go_build("github.com/grafana/loki/v3/cmd/loki", "netgo", "loki"),),
        cold_seconds=240,
    ),
)
"""In order of cost, so that an interrupted first run has something to show for itself."""
