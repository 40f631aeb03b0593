# One image for the sample application, the notifications page and `llm-otel` as a service.
FROM python:3.13.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv --without-pip /opt/llm-otel
COPY deploy/requirements.txt deploy/build-requirements.txt deploy/
RUN pip --python /opt/llm-otel/bin/python install --no-compile --require-hashes \
    --requirement deploy/requirements.txt
RUN pip install --require-hashes --requirement deploy/build-requirements.txt
# What .dockerignore lets through: the sources of a clone; or, in a folder of `llm-otel init`, the
# version of the package that wrote it, and its wheel in deploy/wheels where no index has that: then
# none is asked, as pip would prefer what a stranger has put there by that name.
COPY . .
RUN set -e; \
    if [ -e pyproject.toml ]; then \
        python -m hatchling build --target wheel --directory dist; set -- --no-index dist/*.whl; \
    else \
        set -- --requirement deploy/llm-otel.txt; version=$(sed 's/.*==//' deploy/llm-otel.txt); \
        if ls deploy/wheels/llm_otel-"$version"-*.whl; then \
            set -- --no-index --find-links deploy/wheels "$@"; \
        fi; \
    fi; \
    pip --python /opt/llm-otel/bin/python install --no-compile --no-deps "$@"
# Without it the environment is 290 MB larger.
RUN python deploy/slim.py /opt/llm-otel

FROM python:3.13.12-slim-bookworm
# Nothing can be written but /tmp, which is where libraries shall look for a home.
ENV PATH=/opt/llm-otel/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/llm-otel /opt/llm-otel
WORKDIR /app
COPY examples examples
USER 10001:10001
ENTRYPOINT ["llm-otel"]
CMD ["--help"]
