FROM python:3.13.14-slim-trixie AS build
WORKDIR /src
RUN python -m venv /opt/anthropic-proxy
ENV PATH=/opt/anthropic-proxy/bin:$PATH
COPY requirements.txt ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY proxy proxy
RUN pip install --no-cache-dir --no-deps .

FROM python:3.13.14-slim-trixie
LABEL org.opencontainers.image.title="anthropic-proxy" \
      org.opencontainers.image.description="Reverse proxy for Claude clients that records, measures and shows every call" \
      org.opencontainers.image.licenses="Apache-2.0"
# By number: the user `proxy` of Debian is another one.
RUN install -d -m 700 -o 10001 -g 10001 /data
COPY --from=build /opt/anthropic-proxy /opt/anthropic-proxy
ENV PATH=/opt/anthropic-proxy/bin:$PATH HOME=/data PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    ANTHROPIC_PROXY_DATA=/data \
    ANTHROPIC_PROXY_RELAY_LISTEN=0.0.0.0:8080 ANTHROPIC_PROXY_RELAY_ALLOWED_HOSTS=localhost,127.0.0.1 \
    ANTHROPIC_PROXY_INSPECTOR_LISTEN=0.0.0.0:8081 ANTHROPIC_PROXY_INSPECTOR_ALLOWED_HOSTS=localhost,127.0.0.1
USER 10001:10001
VOLUME /data
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=2)"]
ENTRYPOINT ["anthropic-proxy"]
