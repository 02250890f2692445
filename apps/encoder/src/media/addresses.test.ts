import { expect, test } from "@jest/globals";
import { addressKind } from "./addresses.js";

test.each([
  ["public", ["1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "169.253.1.1"]],
  ["public", ["192.167.0.1", "11.0.0.1", "223.255.255.255", "2606:4700::1111", "2a00:1450::1"]],
  ["private", ["10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1"]],
  ["private", ["127.0.0.1", "127.255.255.254", "100.64.0.1", "100.127.255.255"]],
  ["private", ["::1", "fc00::1", "fd12:3456::1", "0:0:0:0:0:0:0:1"]],
])("%s: %p", (kind, addresses) => {
  for (const address of addresses) expect([address, addressKind(address)]).toEqual([address, kind]);
});

test.each([
  ["unspecified", ["0.0.0.0", "0.1.2.3", "::"]],
  ["link-local", ["169.254.0.1", "fe80::1", "fe80::1%eth0", "febf::1"]],
  [
    "metadata of clouds",
    ["169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"],
  ],
  ["multicast and broadcast", ["224.0.0.1", "239.1.1.1", "255.255.255.255", "ff02::1"]],
  ["IPv4-mapped", ["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:a00:1", "::FFFF:10.0.0.1"]],
  ["IPv4-compatible", ["::127.0.0.1", "::8.8.8.8"]],
  ["NAT64", ["64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::1"]],
  ["6to4", ["2002:7f00:1::", "2002:a00:1::1", "192.88.99.1"]],
  ["Teredo", ["2001:0:4136:e378:8000:63bf:3fff:fdd2"]],
  ["documentation, benchmarks, reserved", ["192.0.2.1", "198.18.0.1", "240.0.0.1", "2001:db8::1"]],
  ["site-local and discard", ["fec0::1", "100::1"]],
  ["no address", ["", "localhost", "127.1", "1.2.3", "::g"]],
])("never: %s", (_, addresses) => {
  for (const address of addresses)
    expect([address, addressKind(address)]).toEqual([address, "forbidden"]);
});
