# The base, and the authority of the tests' services as one that the system trusts.
FROM base
COPY --from=authority ca.crt /usr/local/share/ca-certificates/tests.crt
RUN update-ca-certificates
