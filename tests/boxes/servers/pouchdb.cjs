// CouchDB's API, by express-pouchdb over databases in memory, for one user: with Basic, or with a
// session of its own _session. (Its checks of users fail at documents, on current versions of its
// parts. So one of them has the users and sessions, and the other one has the documents.)
const { createRequire } = require("node:module");
const [modules, port, password] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
const http = require("node:http");
const PouchDB = load("pouchdb").plugin(load("pouchdb-adapter-memory"));

function couchdb(prefix) {
  const databases = PouchDB.defaults({ adapter: "memory", prefix });
  return load("express-pouchdb")(databases, { inMemoryConfig: true, logPath: "log.txt" });
}

const [documents, users] = [couchdb("documents-"), couchdb("users-")];
const expected = `Basic ${Buffer.from(`replicator:${password}`).toString("base64")}`;
const own = http.createServer(users).listen(0, "127.0.0.1", async () => {
  const url = `http://127.0.0.1:${own.address().port}`;
  await fetch(`${url}/_config/admins/replicator`, { method: "PUT", body: JSON.stringify(password) });
  const server = http.createServer(async (request, response) => {
    const { authorization, cookie } = request.headers;
    if (/^\/_(session|config)\b/.test(request.url)) return users(request, response);
    delete request.headers.authorization;
    delete request.headers.cookie;
    if (authorization === expected) return documents(request, response);
    const session = await fetch(`${url}/_session`, { headers: { cookie: cookie ?? "" } });
    if ((await session.json()).userCtx.name) {
      response.setHeader("Set-Cookie", session.headers.getSetCookie());
      return documents(request, response);
    }
    response.writeHead(401, { "WWW-Authenticate": 'Basic realm="server"' });
    response.end('{"error": "unauthorized"}');
  });
  server.listen(Number(port), "127.0.0.1");
});
// The replicator of the second one finds the first one's.
process.on("unhandledRejection", () => {});
