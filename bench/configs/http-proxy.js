// The usual way to use http-proxy for CORS and credentials. It has no access log.
const fs = require('fs');
const http = require('http');
const https = require('https');
const httpProxy = require('http-proxy');

const listen = @listen@;
const proxy = httpProxy.createProxyServer({
  target: 'http://127.0.0.1:@upstream@',
  agent: @agent@,
  headers: {authorization: '@authorization@'},
  xfwd: true,
});
proxy.on('proxyRes', (answer, request, response) => allow(request, response));
proxy.on('error', (error, request, response) => {
  console.error(error.message);
  if (!response.headersSent) response.writeHead(502);
  response.end();
});

function allow(request, response) {
  if (request.headers.origin === '@origin@') {
    response.setHeader('Access-Control-Allow-Origin', request.headers.origin);
  }
  response.setHeader('Vary', 'Origin');
}

function answer(request, response) {
  if (request.method !== 'OPTIONS') return proxy.web(request, response);
  allow(request, response);
  response.setHeader('Access-Control-Allow-Methods', 'PUT');
  response.setHeader('Access-Control-Allow-Headers', 'Content-Type');
  response.writeHead(204);
  response.end();
}

const server = listen
  ? https.createServer(
      {cert: fs.readFileSync(listen.cert), key: fs.readFileSync(listen.key)}, answer)
  : http.createServer(answer);
server.listen(@port@, '127.0.0.1');
