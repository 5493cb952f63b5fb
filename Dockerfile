# One image for web, worker and scheduler. docker-compose.yml and deploy/ tell how each is started.
# Every package is a wheel with a known hash, so that no stage needs a compiler.
ARG PYTHON=3.13-slim-trixie

FROM python:${PYTHON} AS build
# requirements-s3.txt for files in a store that speaks S3.
ARG REQUIREMENTS=requirements.txt
WORKDIR /app
RUN python -m venv --without-pip /venv
COPY requirements.txt requirements-s3.txt ./
RUN pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check --require-hashes --requirement ${REQUIREMENTS}
COPY manage.py Procfile ./
COPY aiWriting aiWriting
COPY apps apps
COPY workers workers
# The key signs nothing here.
RUN SECRET_KEY=build /venv/bin/python manage.py collectstatic --noinput \
    && /venv/bin/python -m compileall -q aiWriting apps workers

FROM python:${PYTHON}
RUN useradd --uid 10001 --create-home --shell /usr/sbin/nologin aiwriting
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PORT=8000
USER 10001:10001
EXPOSE 8000
# Of the web. Other processes have a check of their own, or none.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]
CMD ["uvicorn", "aiWriting.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--http", "aiWriting.gate.connection:Connection", "--ws", "none", "--no-proxy-headers", "--no-server-header", "--timeout-graceful-shutdown", "20"]
