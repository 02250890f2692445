// The import rules of ARCHITECTURE.md. They look at the sources; `gen` is made from the protos.
const CLIENTS = {
  kafkajs: "packages/backends/src/event-bus/kafka/",
  ioredis: "packages/backends/src/redis/",
  "@qdrant/js-client-rest": "packages/backends/src/product-index/qdrant/",
  "onnxruntime-node": "packages/inference/src/onnx/",
  sharp: "packages/inference/src/image/",
  undici: "apps/encoder/src/media/",
  cockatiel: "apps/encoder/src/media/",
  "@huggingface/tokenizers": "packages/inference/src/text/",
};
/** The folders of packages/learning: each imports only itself and those before it, tests too. */
const FLOORS = [
  "linear-algebra",
  "dataset",
  "representation",
  "training",
  "sequence",
  "scoring",
  "reranking",
  "learn",
  "bundle",
  "system",
  "experiments",
  "report",
];
/** They measure us against the bare libraries. */
const BENCHES = "^apps/standalone/bench/";
const TESTS = "(\\.test|\\.contract)\\.ts$|/test/";

export default {
  forbidden: [
    {
      name: "no-cycles",
      comment: "Of types alone neither.",
      severity: "error",
      from: {},
      to: { circular: true },
    },
    { name: "nothing-unresolved", severity: "error", from: {}, to: { couldNotResolve: true } },
    {
      name: "model-imports-nothing",
      comment: "Pure maths: not even node:fs.",
      severity: "error",
      from: { path: "^packages/model/src", pathNot: TESTS },
      to: { pathNot: "^packages/model/src" },
    },
    {
      name: "contracts-import-the-protobuf-runtime",
      severity: "error",
      from: { path: "^packages/contracts/src", pathNot: TESTS },
      to: { pathNot: ["^packages/contracts/(src|gen|dist)", "node_modules/@bufbuild/"] },
    },
    {
      name: "runtime-imports-its-three-libraries",
      severity: "error",
      from: { path: "^packages/runtime/src", pathNot: TESTS },
      to: {
        pathNot: ["^packages/runtime/src", "node_modules/(zod|pino|prom-client)/"],
        dependencyTypesNot: ["core"],
      },
    },
    {
      name: "backends-import-runtime-and-names",
      comment: "Of the contracts the names that cross walls, and what an interaction is.",
      severity: "error",
      from: { path: "^packages/backends/src", pathNot: TESTS },
      to: {
        path: "^(packages/(contracts|grpc|inference|learning|onnx)|apps|infra)/",
        pathNot:
          "^packages/contracts/dist/src/(actions|availability|dead-letters|interactions)\\.js$",
      },
    },
    {
      name: "grpc-imports-contracts-and-runtime",
      severity: "error",
      from: { path: "^packages/grpc/src", pathNot: TESTS },
      to: { path: "^(packages/(model|backends|inference|learning|onnx)|apps|infra)/" },
    },
    {
      name: "one-package-imports-the-grpc-libraries",
      comment: "docs/adr/0008-one-grpc-edge.md",
      severity: "error",
      from: { path: "^(packages|apps)/", pathNot: ["^packages/grpc/", TESTS] },
      to: { path: "node_modules/(@grpc/|grpc-health-check)" },
    },
    {
      name: "of-backends-bundle-alone-imports-maths",
      comment: "A bundle's files from disk.",
      severity: "error",
      from: { path: "^packages/backends/src/(?!bundle/)", pathNot: TESTS },
      to: { path: "^packages/model/" },
    },
    {
      name: "onnx-imports-nothing",
      severity: "error",
      from: { path: "^packages/onnx/src", pathNot: TESTS },
      to: { pathNot: "^packages/onnx/src" },
    },
    {
      name: "inference-imports-maths-and-runtime",
      comment: "Pooling a clip's frames (docs/adr/0007-video.md), a bundle's interests.",
      severity: "error",
      from: { path: "^packages/inference/src", pathNot: TESTS },
      to: { path: "^(packages/(contracts|backends|grpc|learning|testing)|apps|infra)/" },
    },
    {
      name: "testing-is-below-all-that-it-tests",
      severity: "error",
      from: { path: "^packages/testing/src" },
      to: { path: "^(packages/(?!onnx/|testing/)|apps/|infra/)" },
    },
    {
      name: "testing-is-for-tests",
      severity: "error",
      from: { path: "^(packages|apps|infra)/", pathNot: [TESTS, "^packages/testing/"] },
      to: { path: "^packages/testing/" },
    },
    {
      name: "packages-never-import-apps",
      severity: "error",
      from: { path: "^(packages|infra)/" },
      to: { path: "^apps/" },
    },
    {
      name: "no-nest-outside-apps",
      severity: "error",
      from: { pathNot: "^apps/" },
      to: { path: "node_modules/@nestjs/" },
    },
    {
      name: "an-app-never-imports-another-app",
      severity: "error",
      from: { path: "^apps/([^/]+)/", pathNot: "^apps/standalone/" },
      to: { path: "^apps/", pathNot: "^apps/$1/" },
    },
    ...FLOORS.slice(0, -1).map((floor, at) => ({
      name: `${floor}-imports-only-floors-below`,
      severity: "error",
      from: { path: `^packages/learning/src/${floor}/` },
      to: { path: `^packages/learning/src/(${FLOORS.slice(at + 1).join("|")})/` },
    })),
    {
      name: "every-folder-of-learning-is-a-floor",
      severity: "error",
      from: { path: `^packages/learning/src/(?!(${FLOORS.join("|")})/)` },
      to: {},
    },
    ...Object.entries(CLIENTS).map(([library, folder]) => ({
      name: `one-folder-imports-${library.replaceAll(/[@/]/g, "-")}`,
      severity: "error",
      from: { path: "^(packages|apps)/", pathNot: [`^${folder}`, TESTS, BENCHES] },
      to: { path: `node_modules/${library}/` },
    })),
  ],
  options: {
    doNotFollow: { path: ["node_modules", "/dist/"] },
    exclude: { path: ["/dist/.*\\.d\\.ts$"] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.base.json" },
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default"],
    },
  },
};
