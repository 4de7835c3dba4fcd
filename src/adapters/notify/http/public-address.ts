import { BlockList, isIPv6 } from 'node:net';

/** What is not reachable from everywhere: IANA's special-purpose registries for IPv4 and IPv6, and multicast. */
const SPECIAL = new BlockList();
for (const [address, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  SPECIAL.addSubnet(address, prefix, 'ipv4');
}
/** Of IPv6 only 2000::/3 is given out; what lies in it and is special is listed below. */
const GIVEN_OUT = new BlockList();
GIVEN_OUT.addSubnet('2000::', 3, 'ipv6');
for (const [address, prefix] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  SPECIAL.addSubnet(address, prefix, 'ipv6');
}

/**
 * Whether an address, as a resolver gives it, is one that everybody can reach. IPv6 addresses that carry an IPv4
 * address (mapped, NAT64, 6to4, Teredo) are outside what is given out or among the special ones, and so refused.
 */
export function isPublicAddress(address: string): boolean {
  if (!isIPv6(address)) return !SPECIAL.check(address, 'ipv4');
  return GIVEN_OUT.check(address, 'ipv6') && !SPECIAL.check(address, 'ipv6');
}
