import { runService } from "@marquetry/runtime/lifecycle";
import { readUserProfileConfig } from "./config.js";
import { openUserProfilePorts } from "./ports.js";
import { startUserProfile } from "./user-profile.module.js";

await runService("user-profile", readUserProfileConfig, async (config, context) => {
  await startUserProfile(context, await openUserProfilePorts(config, context));
});
