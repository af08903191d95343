// oidc-provider, a certified authorization server, with an API that takes its tokens.
// It serves the same over http at one port, and over https at the next argument.
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
const [modules, port, tlsPort] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
// Node.js 22 has this; oidc-provider needs it.
URL.parse ??= (text, base) => (URL.canParse(text, base) ? new URL(text, base) : null);
const { default: Provider, errors } = await import(pathToFileURL(load.resolve("oidc-provider")));

const API = "https://api.example/";
const usual = { redirect_uris: [], response_types: [], grant_types: ["client_credentials"] };
const clients = JSON.parse(readFileSync("clients.json", "utf-8"));

const provider = new Provider(`https://localhost:${tlsPort}`, {
  clients: clients.map((client) => ({ ...usual, ...client })),
  scopes: ["openid", "offline_access", "read", "write"],
  jwks: { keys: [JSON.parse(readFileSync("server-jwk.json", "utf-8"))] },
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  rotateRefreshToken: true,
  clientAuthMethods: [
    "client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth", "none",
  ],
  ttl: { RefreshToken: 3600, Grant: 3600, AccessToken: 600, ClientCredentials: 600 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo(_, resource) {
        if (resource !== API) throw new errors.InvalidTarget();
        return { scope: "read write", audience: API };
      },
    },
    mTLS: {
      enabled: true,
      tlsClientAuth: true,
      certificateBoundAccessTokens: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      certificateSubjectMatches: (ctx, _, expected) =>
        ctx.socket.getPeerX509Certificate().subject === expected,
    },
  },
});
const issued = [];
const asked = [];
let called = 0;
for (const kind of ["access_token", "client_credentials"]) {
  provider.on(`${kind}.saved`, (token) => issued.push(token));
}
provider.on("server_error", (_, error) => console.error(error));
provider.on("grant.success", (ctx) => asked.push(ctx.oidc.client.clientId));
provider.on("grant.error", (_, error) => asked.push(error.error_description));

async function issueRefreshToken(clientId) {
  const client = await provider.Client.find(clientId);
  const grant = new provider.Grant({ accountId: "user", clientId });
  grant.addOIDCScope("openid offline_access");
  const grantId = await grant.save();
  const scope = "openid offline_access";
  const token = new provider.RefreshToken({ accountId: "user", client, grantId, scope, gty: "x" });
  return { refresh_token: await token.save() };
}

async function api(request) {
  const [scheme, value] = (request.headers.authorization || "").split(" ");
  const found = await provider.AccessToken.find(value || "none")
    || await provider.ClientCredentials.find(value || "none");
  const bound = found?.["x5t#S256"];
  const shown = request.socket.getPeerX509Certificate?.();
  called += 1;
  if (scheme !== "Bearer" || !found || (bound && !shown)) return [401, {}];
  const { clientId: client, scope, aud, accountId: user } = found;
  return [200, { client, scope, aud, user, bound: bound && true }];
}

const callback = provider.callback();
async function respond(request, response) {
  const url = new URL(request.url, "http://localhost");
  let result;
  if (url.pathname.startsWith("/api")) result = await api(request);
  else if (url.pathname === "/issue") {
    result = [200, await issueRefreshToken(url.searchParams.get("client"))];
  } else if (url.pathname === "/revoke") {
    await Promise.all(issued.splice(0).map((token) => token.destroy()));
    result = [200, {}];
  } else if (url.pathname === "/asked") result = [200, asked];
  else if (url.pathname === "/called") result = [200, called];
  else return callback(request, response);
  response.writeHead(result[0], { "Content-Type": "application/json" });
  response.end(JSON.stringify(result[1]));
}

const tls = {
  key: readFileSync("server-key.pem"), cert: readFileSync("server.pem"), ca: readFileSync("ca.pem"),
  requestCert: true, rejectUnauthorized: false,
};
http.createServer(respond).listen(Number(port), "127.0.0.1");
https.createServer(tls, respond).listen(Number(tlsPort), "127.0.0.1");
