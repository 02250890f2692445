/** Names under which Nest injects what is not a class. */
export const CONTEXT = Symbol("ServiceContext");
export const EVENT_BUS = Symbol("EventBus");
export const ENCODE_PRODUCTS = Symbol("EncodeProducts");
