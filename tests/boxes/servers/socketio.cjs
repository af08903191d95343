// A socket.io server that echoes; its own CORS is off, as it is by default.
const { createRequire } = require("node:module");
const [modules, port] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
const http = require("node:http");
const { Server } = load("socket.io");

const server = http.createServer((request, response) => response.end("socket.io box"));
new Server(server).on("connection", (socket) => {
  socket.emit("transport", socket.conn.transport.name);
  socket.on("echo", (value, reply) => reply({ value, transport: socket.conn.transport.name }));
});
server.listen(Number(port), "127.0.0.1");
