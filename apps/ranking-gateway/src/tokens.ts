/** Names under which Nest injects what is not a class. */
export const PORTS = Symbol("RankingGatewayPorts");
export const CONFIG = Symbol("RankingGatewayConfig");
export const RECOMMEND = Symbol("Recommend");
export const SIMILAR_PRODUCTS = Symbol("SimilarProducts");
export const EVENTS = Symbol("RankingGatewayEvents");
