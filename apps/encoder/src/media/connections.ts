/** Connections to the hosts of media; an address is judged where it is dialled, not before. */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { LookupFunction } from "node:net";
import { callbackify } from "node:util";
import { Agent, buildConnector } from "undici";
import { addressKind } from "./addresses.js";
import type { AddressKind } from "./addresses.js";
import type { MediaLimits } from "./limits.js";
import { matchesHost } from "./url-policy.js";

/** The network as the tests change it. */
export interface Network {
  /** Addresses of a name, best first. */
  readonly resolve: (name: string) => Promise<readonly Address[]>;
  readonly addressKind: (address: string) => AddressKind;
}

export interface Address {
  readonly address: string;
  readonly family: number;
}

export const NETWORK: Network = {
  resolve: (name) => lookup(name, { all: true }),
  addressKind,
};

/** A host is at an address from which media must not be read; no byte was sent to it. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused";

  constructor(host: string, kind: AddressKind) {
    super(`host ${host} leads to a ${kind} address`);
  }
}

export interface Answer {
  readonly status: number;
  header(name: string): string | undefined;
  /** To be read to its end or destroyed, which ends the connection. */
  readonly body: AsyncIterable<Uint8Array> & { destroy(): unknown };
}

export interface Connections {
  /** One GET; a redirect is an answer like others. Rejects where there is no answer. */
  get(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Answer>;
  /** Breaks off what is under way. */
  close(): Promise<void>;
}

type ConnectionLimits = Pick<MediaLimits, "privateHosts" | "idleMs" | "hostReadsMax">;

export function openConnections(limits: ConnectionLimits, network: Network): Connections {
  const agent = new Agent({
    connect: connector(limits, network),
    connections: limits.hostReadsMax,
    headersTimeout: limits.idleMs,
    bodyTimeout: limits.idleMs,
    pipelining: 1,
  });
  return {
    async get(url, headers, signal) {
      const {
        statusCode,
        headers: answered,
        body,
      } = await agent.request({
        method: "GET",
        origin: url.origin,
        path: url.pathname + url.search,
        headers,
        signal,
      });
      // A body that is destroyed unread reports that, to nobody.
      body.on("error", () => {});
      return {
        status: statusCode,
        header(name) {
          const value = answered[name];
          return typeof value === "string" ? value : value?.[0];
        },
        body,
      };
    },
    close: () => agent.destroy(),
  };
}

/**
 * Resolves a name once and dials only what it judged, so that no second answer of the name's owner
 * counts; then judges the address that the socket is connected to, before anything is sent.
 */
function connector(limits: ConnectionLimits, network: Network): buildConnector.connector {
  const dialler = (allowed: ReadonlySet<AddressKind>) => ({
    allowed,
    dial: buildConnector({
      lookup: judgedLookup(network, allowed),
      timeout: limits.idleMs,
      allowH2: false,
    }),
  });
  const everywhere = dialler(new Set<AddressKind>(["public", "private"]));
  const outside = dialler(new Set<AddressKind>(["public"]));
  return (options, callback) => {
    const { hostname, host = hostname } = options;
    const { allowed, dial } = matchesHost(limits.privateHosts, host) ? everywhere : outside;
    // A literal address is not looked up.
    const kind = isIP(hostname) === 0 ? "public" : network.addressKind(hostname);
    if (!allowed.has(kind)) {
      callback(new AddressRefused(hostname, kind), null);
      return;
    }
    dial(options, (...[error, socket]) => {
      if (error !== null) return callback(error, null);
      const connected = network.addressKind(socket.remoteAddress ?? "");
      if (allowed.has(connected)) return callback(null, socket);
      socket.destroy();
      return callback(new AddressRefused(hostname, connected), null);
    });
  };
}

function judgedLookup(network: Network, allowed: ReadonlySet<AddressKind>): LookupFunction {
  const judged = callbackify(async (name: string): Promise<Address[]> => {
    const addresses = await network.resolve(name);
    const kinds = addresses.map(({ address }) => network.addressKind(address));
    const dialled = addresses.filter((_, i) => allowed.has(kinds[i] ?? "forbidden"));
    if (dialled.length === 0) throw new AddressRefused(name, kinds[0] ?? "forbidden");
    return dialled;
  });
  return (name, { all = false }, callback) =>
    judged(name, (error, addresses) => {
      const [first] = addresses ?? [];
      if (first === undefined || all) callback(error, addresses ?? []);
      else callback(error, first.address, first.family);
    });
}
