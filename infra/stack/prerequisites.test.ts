import { expect, test } from "@jest/globals";
import { prerequisitePlaces, refusal } from "./prerequisites.js";

test("one line names everything that is missing and the packages that bring it", () => {
  const line = refusal([
    { needs: "Java 17 or later", check: "", packages: ["openjdk-17-jre-headless", "default-jre"] },
    { needs: "redis-server", check: "", packages: ["redis-server"] },
  ]);
  expect(line).toContain("Java 17 or later, redis-server");
  expect(line).toContain("apt-get install openjdk-17-jre-headless redis-server)");
  expect(line).not.toContain("\n");
});

test("downloads are stored by the digest of what requires them", () => {
  const { kafkaLibraries, python } = prerequisitePlaces("/cache");
  expect(kafkaLibraries).toMatch(/^\/cache\/kafka-[0-9a-f]{12}$/);
  expect(python).toMatch(/^\/cache\/qdrant-[0-9a-f]{12}\/bin\/python$/);
});
