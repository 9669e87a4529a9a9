# The fake of ZITADEL; FAKEZ_VERSION is set for each release.
FROM services
COPY e2e/fakezitadel /opt/source/fakezitadel
RUN python3 -m compileall -q /opt/source
USER 1000:1000
EXPOSE 8080
ENTRYPOINT ["python3", "-m", "fakezitadel", "server"]
