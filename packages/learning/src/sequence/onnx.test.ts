import { afterAll, describe, expect, test } from "@jest/globals";
import { openSequenceModel } from "@marquetry/inference/sequence/sequence-model";
import { matrix } from "@marquetry/model/vectors/matrix";
import { mulberry32, randomVector } from "@marquetry/model/vectors/random";
import { normaliseRows, rowOf } from "../linear-algebra/rows.js";
import { sequenceGraph } from "./onnx.js";
import { startSequence } from "./parameters.js";
import { interestsOf } from "./interests.js";

const ITEMS = 30;
const shape = {
  dims: 16,
  heads: 4,
  hidden: 24,
  historyMax: 6,
  decay: 0.7,
  identity: { dims: 4, length: 0.5, suppression: 1.5 },
};
const uniform = mulberry32(17);
const vectors = normaliseRows(matrix(ITEMS, shape.dims, randomVector(uniform, ITEMS * shape.dims)));
const parameters = Object.fromEntries(
  Object.entries(startSequence(shape, 3)).map(([name, values]) => [
    name,
    values.map((x) => x + 0.4 * (2 * uniform() - 1)),
  ]),
);
const histories = Array.from({ length: 150 }, (_, i) =>
  Int32Array.from({ length: 1 + (i % 9) }, () => Math.floor(ITEMS * uniform())),
);

describe("the ONNX graph of a sequence model", () => {
  const opened = openSequenceModel({
    graph: sequenceGraph(shape, parameters),
    historyMax: shape.historyMax,
    dims: shape.dims,
    rowsMax: 7,
  });
  afterAll(async () => (await opened).close());

  test("gives our interests to 1e-5, of short and long histories, whatever the batch", async () => {
    const model = await opened;
    const requested = histories.map((history) =>
      Array.from(history, (item) => rowOf(vectors, item)),
    );
    const interests = (
      await Promise.all([model.run(requested.slice(0, 100)), model.run(requested.slice(100))])
    ).flat();
    const ours = interestsOf({ shape, parameters, vectors }, histories);
    const worst = interests.reduce(
      (most, interest, i) =>
        interest.reduce((m, x, j) => Math.max(m, Math.abs(x - rowOf(ours, i)[j]!)), most),
      0,
    );
    expect(interests).toHaveLength(150);
    expect(worst).toBeLessThan(1e-5);
  });

  test("equal models give equal bytes", () => {
    expect(sequenceGraph(shape, parameters)).toEqual(sequenceGraph(shape, parameters));
  });
});
