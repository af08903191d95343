// CouchDB's API, by express-pouchdb over databases in memory, for those who know the password.
// (Its own user management fails on current versions of its parts.)
const { createRequire } = require("node:module");
const [modules, port, password] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
const http = require("node:http");
const PouchDB = load("pouchdb").plugin(load("pouchdb-adapter-memory"));

const databases = PouchDB.defaults({ adapter: "memory" });
const couch = load("express-pouchdb")(databases, { inMemoryConfig: true, logPath: "log.txt" });
const expected = `Basic ${Buffer.from(`replicator:${password}`).toString("base64")}`;
const server = http.createServer((request, response) => {
  const { authorization } = request.headers;
  delete request.headers.authorization;
  if (authorization === expected) return couch(request, response);
  response.writeHead(401, { "WWW-Authenticate": 'Basic realm="server"' });
  response.end('{"error": "unauthorized"}');
});
server.listen(Number(port), "127.0.0.1");
