// A proxy that speaks TLS in front of a service on loopback: `node tls.mjs DIR PORT`. DIR holds key.pem and cert.pem. It listens on a
// free port, prints it, and passes on the bytes as they are.
import { readFileSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";

const [directory, port] = process.argv.slice(2);
const keys = { key: readFileSync(`${directory}/key.pem`), cert: readFileSync(`${directory}/cert.pem`) };
const server = tls.createServer(keys, (outside) => {
  const inside = net.connect(Number(port), "127.0.0.1");
  for (const [from, to] of [[outside, inside], [inside, outside]]) {
    from.pipe(to);
    from.on("error", () => to.destroy());
  }
});
// Who speaks plain HTTP to it is hung up on.
server.on("tlsClientError", (_error, socket) => socket.destroy());
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
