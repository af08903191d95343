// CouchDB's API, by express-pouchdb over databases in memory, for those who know the password.
// (Its own user management fails on current versions of its parts.)
const { createRequire } = require("node:module");
const [modules, port, password] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
const PouchDB = load("pouchdb").plugin(load("pouchdb-adapter-memory"));

const app = load("express")();
const Databases = PouchDB.defaults({ adapter: "memory" });
const expected = `Basic ${Buffer.from(`replicator:${password}`).toString("base64")}`;
app.use((request, response, next) => {
  const { authorization } = request.headers;
  delete request.headers.authorization;
  if (authorization === expected) return next();
  response.set("WWW-Authenticate", 'Basic realm="server"');
  response.status(401).json({ error: "unauthorized" });
});
app.use("/", load("express-pouchdb")(Databases, { inMemoryConfig: true, logPath: "log.txt" }));
app.listen(Number(port), "127.0.0.1");
