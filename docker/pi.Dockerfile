# A station on a Raspberry Pi (arm64), with libcamera and pins. Untested: no board and no Docker were at hand; linted by hadolint.
#
#   docker buildx build --platform linux/arm64 -f docker/pi.Dockerfile -t edgecls-pi .
#
# Debian's libcamera and Debian's Python, for which it is built. A CSI camera wants --device of every /dev/media*, /dev/video*
# and /dev/dma_heap/*, and /run/udev read-only; a USB camera /dev/video0 alone.
FROM debian:trixie-slim AS build
WORKDIR /source
# hadolint ignore=DL3008 # Debian keeps one version a release, with its security updates
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY . .
ARG EXTRAS=cpu,gpio,mqtt,network
RUN python3 -m venv --system-site-packages /opt/edgecls \
    && /opt/edgecls/bin/pip install --no-cache-dir --constraint scripts/constraints.txt ".[${EXTRAS}]" \
    && /opt/edgecls/bin/python -m compileall -q /opt/edgecls

FROM debian:trixie-slim
# hadolint ignore=DL3008 # as above
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-libcamera libcamera-ipa \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/edgecls /opt/edgecls
# 993 is gpio on Raspberry Pi OS: where it is another number, use group_add.
RUN groupadd --system --gid 993 gpio \
    && useradd --system --uid 8700 --groups video,gpio --home-dir /var/lib/edgecls --create-home edgecls
ENV PATH=/opt/edgecls/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    EDGECLS_LOG=json \
    EDGECLS_ALIVE=/dev/shm/edgecls-alive
USER 8700
WORKDIR /station
HEALTHCHECK --interval=30s --timeout=30s --start-period=180s --retries=2 \
    CMD ["edgecls", "service", "alive", "--within", "60"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["edgecls"]
CMD ["run", "station.toml"]
