// cors-anywhere takes the upstream's URL from the path and allows every origin. It has no access
// log.
const fs = require('fs');
const http = require('http');
const corsAnywhere = require('cors-anywhere');

const listen = @listen@;
corsAnywhere.createServer({
  originWhitelist: [],
  requireHeader: [],
  setHeaders: {authorization: '@authorization@'},
  httpProxyOptions: {
    agent: new http.Agent({keepAlive: true, maxSockets: 1024, maxFreeSockets: 1024}),
    xfwd: true,
  },
  httpsOptions: listen && {cert: fs.readFileSync(listen.cert), key: fs.readFileSync(listen.key)},
}).listen(@port@, '127.0.0.1');
