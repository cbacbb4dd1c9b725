// The peer better-sse on Node: one channel, whose broadcast writes to every session; events are text already, so nothing is serialised.
import { createServer } from "node:http";
import { createChannel, createSession } from "better-sse";

const channel = createChannel();
let next = 1;

const server = createServer(async (request, response) => {
  if (request.method === "GET") {
    const session = await createSession(request, response, { serializer: (data) => data, keepAlive: 15000 });
    channel.register(session);
    return;
  }
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    channel.broadcast(Buffer.concat(pieces).toString(), "run.stage", { eventId: `k3v9x2m1-${next++}` });
    response.writeHead(204).end();
  });
});
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });
