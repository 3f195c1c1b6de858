# A station on the processor of an x86-64 or arm64 machine. Not built by us: no Docker was at hand; linted by hadolint.
#
#   docker build -f docker/cpu.Dockerfile -t edgecls .        more extras: --build-arg EXTRAS=cpu,network,mqtt
#   docker run --rm edgecls devices
#
FROM python:3.13-slim-trixie AS build
WORKDIR /source
COPY . .
ARG EXTRAS=cpu
RUN python -m venv /opt/edgecls \
    && /opt/edgecls/bin/pip install --no-cache-dir --constraint scripts/constraints.txt ".[${EXTRAS}]" \
    && /opt/edgecls/bin/python -m compileall -q /opt/edgecls

FROM python:3.13-slim-trixie
COPY --from=build /opt/edgecls /opt/edgecls
# The number is fixed so that folders of the host can be given to it: chown 8700 data
RUN useradd --system --uid 8700 --groups video --home-dir /var/lib/edgecls --create-home edgecls
ENV PATH=/opt/edgecls/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    EDGECLS_LOG=json \
    EDGECLS_ALIVE=/dev/shm/edgecls-alive
USER 8700
WORKDIR /station
# The station touches the file at each verdict and each wait for one: a hung one is found, an idle line is none.
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=2 \
    CMD ["edgecls", "service", "alive", "--within", "60"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["edgecls"]
CMD ["run", "station.toml"]
