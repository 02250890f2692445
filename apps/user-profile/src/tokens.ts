/** Names under which Nest injects what is not a class. */
export const CONTEXT = Symbol("ServiceContext");
export const PORTS = Symbol("UserProfilePorts");
export const UPDATE_PROFILES = Symbol("UpdateProfiles");
