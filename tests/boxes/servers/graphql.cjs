// GraphQL over HTTP (a query) and over WebSocket (a subscription), as graphql-ws documents it.
const { createRequire } = require("node:module");
const [modules, port] = process.argv.slice(2);
const load = createRequire(`${modules}/`);
const http = require("node:http");
const { GraphQLInt, GraphQLObjectType, GraphQLSchema, GraphQLString, graphql } = load("graphql");
const { useServer } = load("graphql-ws/use/ws");
const { WebSocketServer } = load("ws");

async function* count() {
  for (const number of [1, 2, 3]) yield { count: number };
}

const schema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: "Query",
    fields: { hello: { type: GraphQLString, resolve: () => "hello from the box" } },
  }),
  subscription: new GraphQLObjectType({
    name: "Subscription",
    fields: { count: { type: GraphQLInt, subscribe: count } },
  }),
});

const server = http.createServer(async (request, response) => {
  let body = "";
  for await (const piece of request) body += piece;
  response.setHeader("Content-Type", "application/json");
  if (request.method !== "POST") return response.writeHead(405).end("{}");
  const { query } = JSON.parse(body);
  const result = await graphql({ schema, source: query });
  response.writeHead(result.errors ? 400 : 200).end(JSON.stringify(result));
});
useServer({ schema }, new WebSocketServer({ server, path: "/graphql" }));
server.listen(Number(port), "127.0.0.1");
