# Clients of an instance, inside the cluster.
FROM services
COPY e2e/clients /opt/source/clients
RUN python3 -m compileall -q /opt/source
USER 65532:65532
ENTRYPOINT ["python3", "-m", "clients"]
