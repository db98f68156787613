// Serves @tus/server over its file store on a free port, and prints where.

import { FileStore } from "@tus/file-store";
import { Server } from "@tus/server";

const server = new Server({
  path: "/files",
  relativeLocation: true,
  datastore: new FileStore({ directory: process.argv[2] }),
});
const listener = server.listen({ host: "127.0.0.1", port: 0 }, () => {
  console.log(`Uploads: http://127.0.0.1:${listener.address().port}/files`);
});
