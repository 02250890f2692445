/** A server of media that answers as a test says, and records its requests. */
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, Server } from "node:http";
import { createServer as createRawServer } from "node:net";
import type { AddressInfo, Server as RawServer, Socket } from "node:net";
import type { MediaLimits } from "../../src/media/limits.js";
import { createMediaReader } from "../../src/media/media-reader.js";
import type { MediaReaderDeps, MediaReader, MediaResult } from "../../src/media/media-reader.js";
import { RETRY_POLICY } from "../../src/media/retry-policy.js";
import { pixel } from "../pictures.js";

export const GIF = pixel(1, 2, 3);

/** That picture with room at its end, which decoders ignore. */
export function padded(bytes: number): Uint8Array {
  return Buffer.concat([GIF], bytes);
}

export const LIMITS: MediaLimits = {
  fileRoot: undefined,
  httpHosts: [],
  privateHosts: [],
  bytesMax: { image: 1_000, video: 2_000 },
  timeoutMs: 20_000,
  idleMs: 20_000,
  hostReadsMax: 4,
};

export interface MediaServer {
  readonly host: string;
  readonly port: number;
  /** Of every request: its path, its headers and the address at which it came in. */
  readonly requests: {
    path: string;
    headers: IncomingMessage["headers"];
    at: string | undefined;
  }[];
  readonly connections: () => number;
}

const closers: (() => Promise<unknown>)[] = [];

export async function closeAll(): Promise<void> {
  await Promise.all(closers.splice(0).map((close) => close()));
}

export async function serve(
  answer: RequestListener,
  port = 0,
  address = "127.0.0.1",
): Promise<MediaServer> {
  const requests: MediaServer["requests"] = [];
  const server = createServer((request, response) => {
    const { headers, url: path = "", socket } = request;
    requests.push({ path, headers, at: socket.localAddress });
    answer(request, response);
  });
  closers.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { ...(await listening(server, port, address)), requests };
}

/** A server that writes its answers by itself. */
export async function serveRaw(
  answer: (socket: Socket) => void,
): Promise<Omit<MediaServer, "requests">> {
  const sockets = new Set<Socket>();
  const server = createRawServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("data", () => answer(socket));
  });
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return listening(server, 0, "127.0.0.1");
}

async function listening(server: Server | RawServer, port: number, address: string) {
  let connections = 0;
  server.on("connection", () => (connections += 1));
  await new Promise<void>((resolve) => server.listen(port, address, resolve));
  const bound = (server.address() as AddressInfo).port;
  return { host: `${address}:${bound}`, port: bound, connections: () => connections };
}

/** A reader to which the server is an ordinary host, and which pauses for nothing. */
export function readerOf(
  { host }: Pick<MediaServer, "host">,
  limits: Partial<MediaLimits> = {},
  {
    retryPolicy,
    ...deps
  }: Omit<Partial<MediaReaderDeps>, "retryPolicy"> & {
    retryPolicy?: Partial<MediaReaderDeps["retryPolicy"]>;
  } = {},
): MediaReader {
  const reader = createMediaReader(
    { ...LIMITS, httpHosts: [host], privateHosts: [host], ...limits },
    { wait: async () => {}, ...deps, retryPolicy: { ...RETRY_POLICY, ...retryPolicy } },
  );
  closers.push(() => reader.close());
  return reader;
}

export function bytesOf(result: MediaResult): Buffer {
  if (!("bytes" in result)) throw new Error(JSON.stringify(result));
  return Buffer.from(result.bytes);
}
