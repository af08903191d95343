// A tus server that keeps its uploads in ./uploads.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
const [modules, port] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
const fetched = (name) => import(pathToFileURL(load.resolve(name)));
const { Server } = await fetched("@tus/server");
const { FileStore } = await fetched("@tus/file-store");

new Server({
  path: "/files",
  datastore: new FileStore({ directory: "uploads" }),
  respectForwardedHeaders: process.env.RESPECT_FORWARDED === "yes",
}).listen(Number(port), "127.0.0.1");
