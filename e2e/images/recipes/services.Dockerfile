# Packages that our services of the tests import.
FROM base AS build
COPY requirements/services.txt /tmp/services.txt
RUN python3 -m venv /opt/services \
 && /opt/services/bin/pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /tmp/services.txt \
 && /opt/services/bin/pip check \
 && rm -rf /opt/services/lib/python3*/site-packages/pip /opt/services/lib/python3*/site-packages/pip-* \
           /opt/services/bin/pip* /opt/services/lib/python3*/site-packages/setuptools* \
           /opt/services/lib/python3*/site-packages/pkg_resources

FROM base
COPY --from=build /opt/services /opt/services
ENV PATH=/opt/services/bin:$PATH PYTHONPATH=/opt/source PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
