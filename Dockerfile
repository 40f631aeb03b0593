# One image for the sample application, the notifications page and `llm-otel` as a service.
FROM python:3.13.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
RUN python -m venv --without-pip /opt/llm-otel
COPY deploy/requirements.txt deploy/build-requirements.txt ./
RUN pip --python /opt/llm-otel/bin/python install --require-hashes --requirement requirements.txt
RUN pip install --require-hashes --requirement build-requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY docs/*.md docs/
RUN python -m hatchling build --target wheel --directory dist
RUN pip --python /opt/llm-otel/bin/python install --no-deps --no-index dist/*.whl

FROM python:3.13.12-slim-bookworm
# Nothing can be written but /tmp, which is where libraries shall look for a home.
ENV PATH=/opt/llm-otel/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/llm-otel /opt/llm-otel
WORKDIR /app
COPY examples examples
USER 10001:10001
ENTRYPOINT ["llm-otel"]
CMD ["--help"]
