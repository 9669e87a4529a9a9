# SeaweedFS: an object store with S3's signatures, from the wheel of requirements/dev.txt.
FROM base
COPY --from=venv --chmod=755 weed /usr/local/bin/weed
USER 65532:65532
EXPOSE 8333
ENTRYPOINT ["weed", "-logtostderr=true"]
CMD ["server"]
