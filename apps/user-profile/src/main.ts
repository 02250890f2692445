import { runService } from "@marquetry/runtime/lifecycle";
import { readUserProfileConfig } from "./config.js";
import { openUserProfilePorts, startUserProfile } from "./user-profile.module.js";

await runService("user-profile", readUserProfileConfig, async (config, context) =>
  startUserProfile(context, await openUserProfilePorts(config, context)),
);
