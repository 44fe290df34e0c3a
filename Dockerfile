# Two images from one file: `web` serves pages and never sees torch; `worker` builds maps and trains.
FROM python:3.11-slim AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --create-home --uid 10001 cyborg && install -d -o cyborg /data
WORKDIR /cyborg
COPY requirements/bootstrap.txt requirements/base.txt requirements/faces.txt requirements/
RUN pip install --require-hashes -r requirements/bootstrap.txt -r requirements/base.txt
RUN pip install --no-deps --require-hashes -r requirements/faces.txt

FROM base AS web
COPY . .
RUN pip install --no-deps --no-build-isolation --editable .
USER cyborg
ENV CYBORG_DATA_DIR=/data CYBORG_HOST=0.0.0.0 CYBORG_PORT=8000
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=3)"]
CMD ["cyborg", "serve"]

FROM base AS worker
COPY requirements/train.txt requirements/
RUN pip install --require-hashes -r requirements/train.txt
COPY . .
RUN pip install --no-deps --no-build-isolation --editable .
USER cyborg
ENV CYBORG_DATA_DIR=/data
CMD ["cyborg", "worker"]
