// Tests run as compiled by `tsc`: what is tested is what is deployed, and worker threads find
// their files. `npm test` builds first.
export default {
  testMatch: ["<rootDir>/{packages,apps}/*/dist/**/*.test.js", "<rootDir>/infra/dist/**/*.test.js"],
  transform: {},
  testEnvironment: "node",
  testTimeout: 60_000,
};
