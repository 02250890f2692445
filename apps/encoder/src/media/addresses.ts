/** Which network addresses media may come from. */
import { BlockList, isIP } from "node:net";

/**
 * - `public`: anyone's.
 * - `private`: of this machine or this network; for hosts that the operator names.
 * - `forbidden`: never. Among them link-local addresses, where clouds hand out credentials, and
 *   those that carry another address within, which would have to be judged instead.
 */
export type AddressKind = "public" | "private" | "forbidden";

// IANA's special-purpose registries (RFC 6890 and its updates).
const PRIVATE = blockList("ipv4", [
  "10.0.0.0/8",
  "100.64.0.0/10", // carrier-grade NAT
  "127.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
]);
const PRIVATE_6 = blockList("ipv6", ["::1/128", "fc00::/7"]);

const FORBIDDEN = blockList("ipv4", [
  "0.0.0.0/8",
  "100.100.100.200/32", // a cloud's metadata, within the carriers' range
  "168.63.129.16/32", // another's, within the public range
  "169.254.0.0/16",
  "192.0.0.0/24", // protocol assignments; a third's metadata
  "192.0.2.0/24", // documentation, as the next two
  "198.51.100.0/24",
  "203.0.113.0/24",
  "192.88.99.0/24", // 6to4 relays
  "198.18.0.0/15", // benchmarks
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, and broadcast
]);

/** Of IPv6 only 2000::/3 is given out. Not in it: IPv4-mapped (::ffff:0:0/96), NAT64
 * (64:ff9b::/96), link-local (fe80::/10), multicast (ff00::/8). */
const GLOBAL_6 = blockList("ipv6", ["2000::/3"]);
const FORBIDDEN_6 = blockList("ipv6", [
  "2001::/23", // protocol assignments, Teredo among them
  "2001:db8::/32", // documentation
  "2002::/16", // 6to4
  "3fff::/20", // documentation
  "fd00:ec2::/32", // metadata, within the private range
  "fd20:ce::/32", // the same of another cloud
]);

export function addressKind(address: string): AddressKind {
  const [bare = ""] = address.split("%"); // without the zone
  switch (isIP(bare)) {
    case 4:
      if (FORBIDDEN.check(bare, "ipv4")) return "forbidden";
      return PRIVATE.check(bare, "ipv4") ? "private" : "public";
    case 6:
      if (FORBIDDEN_6.check(bare, "ipv6")) return "forbidden";
      if (PRIVATE_6.check(bare, "ipv6")) return "private";
      return GLOBAL_6.check(bare, "ipv6") ? "public" : "forbidden";
    default:
      return "forbidden";
  }
}

function blockList(family: "ipv4" | "ipv6", subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = "", prefix] = subnet.split("/");
    list.addSubnet(network, Number(prefix), family);
  }
  return list;
}
