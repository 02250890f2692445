/** Names under which Nest injects what is not a class. */
export const CONTEXT = Symbol("ServiceContext");
export const PORTS = Symbol("FusionPorts");
export const FUSE_PRODUCTS = Symbol("FuseProducts");
