# A station on a Jetson with JetPack 7 (Ubuntu 24.04, Python 3.12). Untested: no Jetson and no Docker were at hand; linted by hadolint.
#
#   docker build -f docker/jetson.Dockerfile -t edgecls-jetson .                                          on the processor
#   docker build -f docker/jetson.Dockerfile -t edgecls-jetson --build-arg ENGINE=/wheels/onnxruntime_gpu-*.whl \
#       --build-context wheels=DIR .                                                                      on the GPU
#   docker run --runtime nvidia ...
#
# No wheel of onnxruntime-gpu on PyPI has machine code for an Orin or a Thor: bring your own build in DIR (docs/jetson.md).
FROM scratch AS wheels

FROM ubuntu:24.04 AS build
WORKDIR /source
# hadolint ignore=DL3008 # Ubuntu keeps one version a release, with its security updates
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
COPY . .
COPY --from=wheels . /wheels
ARG ENGINE=onnxruntime
ARG EXTRAS=network,modbus,gpio
# Not the extra cpu: its onnxruntime and a GPU's build would overwrite each other.
RUN python3 -m venv /opt/edgecls \
    && /opt/edgecls/bin/pip install --no-cache-dir --constraint scripts/constraints.txt \
        ".[${EXTRAS}]" opencv-python-headless \
    && if [ "${ENGINE}" = onnxruntime ]; \
        then /opt/edgecls/bin/pip install --no-cache-dir --constraint scripts/constraints.txt onnxruntime; \
        else /opt/edgecls/bin/pip install --no-cache-dir ${ENGINE}; fi \
    && /opt/edgecls/bin/python -m compileall -q /opt/edgecls

# CUDA and cuDNN for the same Ubuntu; the driver is the board's own, brought in by --runtime nvidia.
FROM nvcr.io/nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04
# hadolint ignore=DL3008 # as above
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/edgecls /opt/edgecls
RUN useradd --system --uid 8700 --groups video --home-dir /var/lib/edgecls --create-home edgecls
ENV PATH=/opt/edgecls/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    EDGECLS_LOG=json \
    EDGECLS_ALIVE=/dev/shm/edgecls-alive
USER 8700
WORKDIR /station
# An engine of TensorRT is built at the first start: minutes.
HEALTHCHECK --interval=30s --timeout=30s --start-period=900s --retries=2 \
    CMD ["edgecls", "service", "alive", "--within", "60"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["edgecls"]
CMD ["run", "station.toml"]
