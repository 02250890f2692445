/** Names under which Nest injects what is not a class. */
export const CONFIG = Symbol("EncoderConfig");
export const CONTEXT = Symbol("ServiceContext");
export const BACK_PRESSURE = Symbol("BackPressure");
export const SETTINGS = Symbol("ConsumerSettings");
export const EVENT_BUS = Symbol("EventBus");
export const EVENTS = Symbol("EncoderEvents");
export const ENCODE_CONTENT = Symbol("EncodeContent");
export const ENCODE_PRODUCTS = Symbol("EncodeProducts");
