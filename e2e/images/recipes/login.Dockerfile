# The fake of ZITADEL's login; FAKEZ_VERSION is set for each release.
FROM services
COPY e2e/fakezitadel /opt/source/fakezitadel
RUN python3 -m compileall -q /opt/source
USER 1000:1000
EXPOSE 3000
ENTRYPOINT ["python3", "-m", "fakezitadel", "login"]
