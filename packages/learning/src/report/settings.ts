/** What a report says about the data, the protocol and the cost. */
import { cpus } from "node:os";
import { evaluationCaseOf } from "../dataset/dataset.js";
import { evaluatedUsers } from "../scoring/top-lists.js";
import type { Prepared } from "../representation/prepare.js";
import type { ExperimentContext } from "../experiments/context.js";

export function dataLines({ dataset, encoders, counts }: Prepared): string[] {
  const { splits, itemIds } = dataset;
  const sizes = (["train", "valid", "test"] as const).map((part) => {
    const count = splits[part].reduce((sum, list) => sum + list.length, 0);
    return `${count} ${part}`;
  });
  const evaluated = evaluatedUsers(evaluationCaseOf(dataset, "test")).length;
  const modalities = Object.entries(encoders).map(
    ([name, { encoder, dims }]) => `${name} (${encoder}, ${dims} numbers)`,
  );
  return [
    `${splits.train.length} users, ${evaluated} of them evaluated in the test; ${itemIds.length} products, ` +
      `${counts.filter((count) => count === 0).length} of them new to the training part`,
    `interactions: ${sizes.join(", ")}; ${dataset.ordered ? "in order of time" : "sets without order"}`,
    `modalities: ${modalities.join(", ")}; and behaviour, which is learned`,
  ];
}

export function protocolLines({ dataset }: Prepared): string[] {
  const history =
    dataset.splits.testHistory === "train"
      ? "A user's history is the training part"
      : "A user's history in the test is the training part and the validation product";
  return [
    "full ranking: every product is a candidate, none is sampled",
    `${history}; users without history or without target are not evaluated`,
    ...(dataset.ordered
      ? [
          "published sequential models are quoted without a history policy, so the unmasked table " +
            "stands beside them; the masked one and the one with a penalty have a policy that " +
            "those models lack",
        ]
      : ["what the user had in training is left out of the answers, as in the published tables"]),
  ];
}

export function costLines({ trainingCpuSeconds }: ExperimentContext): string[] {
  const cores = cpus();
  const { user, system } = process.cpuUsage();
  const seconds = trainingCpuSeconds.map((each) => each.toFixed(0)).join(", ");
  return [
    ...(seconds === "" ? [] : [`training the full model, CPU seconds by seed: ${seconds}`]),
    `the whole command: ${((user + system) / 1e6).toFixed(0)} CPU seconds`,
    `${cores.length} cores of ${cores[0]?.model ?? "an unknown processor"}, Node ${process.version.slice(1)}`,
  ];
}
