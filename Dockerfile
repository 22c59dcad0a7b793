# One image for every role: `storage-node`, `coordinator`, `group-coordinator`, `gateway`, or the command line, `moldau`.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY . .
# The image has a Node of its own: what brings one along for developers stays out.
RUN npm ci --no-audit --no-fund \
 && npm run build \
 && npm prune --omit=dev --ignore-scripts --no-audit --no-fund \
 && rm -rf node_modules/@moldau node_modules/node-linux-* node_modules/.bin \
 && chmod 755 dist/*.mjs

FROM node:24-bookworm-slim
WORKDIR /app
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./
RUN for role in storage-node coordinator group-coordinator gateway moldau; do ln -s "/app/$role.mjs" "/usr/local/bin/$role"; done \
 && mkdir /data && chown node:node /data
USER node
ENV NODE_ENV=production MOLDAU_LISTEN_HOST=0.0.0.0
VOLUME /data
HEALTHCHECK --interval=2s --timeout=3s --start-period=60s --retries=5 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9464/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["moldau", "--help"]
