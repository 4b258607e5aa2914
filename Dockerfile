# Tributary: cdc and lake. No compiler, no test and no development package gets into the image.
#   docker build -t tributary .        docker run --rm tributary cdc --help
FROM node:24.21.0-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# No package needs a script to be installed. The image has Node; the package that carries one for older machines only takes room.
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund && rm -rf node_modules/node-linux-* && npm cache clean --force

FROM node:24.21.0-bookworm-slim
LABEL org.opencontainers.image.title="Tributary" org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production TZ=UTC
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY bin ./bin
COPY src ./src
COPY timeline ./timeline
# State, and what Node keeps of compiled sources, are all that is written.
RUN ln -s /app/bin/cdc.mjs /usr/local/bin/cdc && ln -s /app/bin/lake.mjs /usr/local/bin/lake \
  && mkdir -p /data node_modules/.cache && chown node:node /data node_modules/.cache
USER node
WORKDIR /data
VOLUME /data
# SIGTERM drains and commits: docker stop is a clean end.
CMD ["cdc", "--help"]
