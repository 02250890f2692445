import {
  create,
  fromJson,
  getOption,
  isFieldSet,
  toBinary,
  toJsonString,
} from "@bufbuild/protobuf";
import type { DescMessage, JsonObject, JsonValue, Message, MessageShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "@jest/globals";
import type { FieldRules } from "../gen/buf/validate/validate_pb.js";
import {
  FieldRulesSchema,
  field as fieldOption,
  file_buf_validate_validate,
  message as messageOption,
  oneof as oneofOption,
} from "../gen/buf/validate/validate_pb.js";
import {
  Action,
  ClickstreamEventSchema,
  file_marquetry_events_v1_clickstream,
} from "../gen/marquetry/events/v1/clickstream_pb.js";
import {
  ProductChangeSchema,
  ProductEmbeddedSchema,
  file_marquetry_events_v1_product,
} from "../gen/marquetry/events/v1/product_pb.js";
import {
  RecommendRequestSchema,
  SimilarProductsRequestSchema,
  file_marquetry_ranking_v1_recommendation_service,
} from "../gen/marquetry/ranking/v1/recommendation_service_pb.js";
import { decode, decodeBatch, describeProblem, findProblem } from "./validation.js";
import type { Decoded } from "./validation.js";

const MINUTE_MS = 60_000;
const at = (offsetMs: number): string => new Date(Date.now() + offsetMs).toISOString();

/** Every field filled, each at a bound where it has one. */
const GOOD = {
  change: {
    productId: "€".repeat(256),
    revision: "9007199254740991",
    occurredAt: "2026-03-01T09:30:00Z",
    upserted: {
      title: "t".repeat(1024),
      description: "d".repeat(65_536),
      categories: Array.from({ length: 32 }, () => "c".repeat(512)),
      brand: "b".repeat(256),
      price: 0,
      currency: "EUR",
      availability: "AVAILABILITY_PREORDER",
      availableFrom: "2030-01-01T00:00:00Z",
      images: Array.from({ length: 16 }, () => ({
        url: "https://cdn.example/1.jpg",
        digest: "x".repeat(256),
      })),
      videos: Array.from({ length: 4 }, () => ({ url: "file:///videos/1.mp4" })),
      groupId: "g".repeat(256),
    },
  },
  event: {
    eventId: "e".repeat(128),
    userId: "u".repeat(256),
    occurredAt: "2026-03-01T09:30:00Z",
    interaction: {
      productId: "p".repeat(256),
      action: "ACTION_RETURN",
      sessionId: "s".repeat(256),
      dwellSeconds: 0,
    },
  },
  embedded: {
    productId: "p",
    revision: "1",
    occurredAt: "2026-03-01T09:30:00Z",
    embedded: {
      attributes: { title: "t" },
      embeddings: [{ modality: "text", encoder: "e", digest: "d", vector: "AACAPw==" }],
      absent: ["image"],
      failed: [{ modality: "video", cause: "FAILURE_CAUSE_NOT_FOUND", detail: "status 404" }],
    },
  },
  recommend: {
    userId: "u".repeat(256),
    limit: 200,
    filter: {
      categories: Array.from({ length: 64 }, (_, i) => `c${i}`),
      brands: Array.from({ length: 64 }, (_, i) => `b${i}`),
      priceMin: 0,
      priceMax: 0,
      availability: Array.from({ length: 8 }, () => "AVAILABILITY_IN_STOCK"),
    },
    excludedProductIds: Array.from({ length: 1000 }, (_, i) => `p${i}`),
    excludeSeen: true,
    includeVariants: true,
  },
  similar: {
    productId: "p".repeat(256),
    limit: 1,
    filter: {},
    excludedProductIds: Array.from({ length: 1000 }, (_, i) => `p${i}`),
    includeVariants: true,
  },
} satisfies Record<string, JsonObject>;

const SCHEMAS = {
  change: ProductChangeSchema,
  event: ClickstreamEventSchema,
  embedded: ProductEmbeddedSchema,
  recommend: RecommendRequestSchema,
  similar: SimilarProductsRequestSchema,
} satisfies Record<keyof typeof GOOD, DescMessage>;

type Kind = keyof typeof GOOD;
const KINDS = Object.keys(GOOD) as Kind[];

/** One broken rule: the good message with one value changed (`undefined`: removed), what the
 * answer expects instead, and the field it names where that is not simply the changed one. */
type Broken = readonly [
  rule: string,
  path: string,
  value: JsonValue | undefined,
  expectation: string,
  field?: string,
];

const EMPTY = "must be at least 1 characters";
const NO_CONTROLS = "does not match regex pattern `^[^\\x00-\\x1f\\x7f]*$`";
const FUTURE = "must not lie more than 5 minutes in the future";
const PAST = "must not lie before 1970";
const EARLIER = "1969-12-31T23:59:59Z";
const LATER = at(6 * MINUTE_MS);
const LIMIT = "must be greater than or equal to 1 and less than or equal to 200";
const NOT_NEGATIVE = "must be greater than or equal to 0";
const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);
const MEDIA = { url: "data:,x" };

const BROKEN: Readonly<Record<Kind, readonly Broken[]>> = {
  change: [
    ["ProductChange.product_id string.min_len", "productId", undefined, EMPTY],
    ["ProductChange.product_id string.max_len", "productId", "a".repeat(257), "at most 256 char"],
    ["ProductChange.product_id string.pattern", "productId", "a\u0000b", NO_CONTROLS],
    ["ProductChange.revision uint64.gt", "revision", "0", "must be greater than 0"],
    ["ProductChange.revision uint64.lte", "revision", "9007199254740992", "to 9007199254740991"],
    ["ProductChange.occurred_at required", "occurredAt", undefined, "value is required"],
    ["ProductChange.occurred_at cel not_before_1970", "occurredAt", EARLIER, PAST],
    ["ProductChange.occurred_at cel not_in_the_future", "occurredAt", LATER, FUTURE],
    ["ProductChange.change required", "upserted", undefined, "exactly one field", "change"],
    ["Product.title string.max_bytes", "upserted.title", "é".repeat(513), "at most 1024 bytes"],
    ["Product.description string.max_bytes", "upserted.description", "d".repeat(65_537), "65536"],
    ["Product.categories repeated.max_items", "upserted.categories", times(33, "c"), "32 item"],
    [
      "Product.categories repeated.items string.min_len",
      "upserted.categories",
      ["c", ""],
      EMPTY,
      "upserted.categories[1]",
    ],
    [
      "Product.categories repeated.items string.max_len",
      "upserted.categories",
      ["c".repeat(513)],
      "at most 512 characters",
      "upserted.categories[0]",
    ],
    ["Product.brand string.max_len", "upserted.brand", "b".repeat(257), "at most 256 characters"],
    ["Product.price double.finite", "upserted.price", "Infinity", "must be finite"],
    ["Product.price double.gte", "upserted.price", -0.01, NOT_NEGATIVE],
    ["Product.currency string.pattern", "upserted.currency", "eur", "`^([A-Z]{3})?$`"],
    ["Product.availability enum.defined_only", "upserted.availability", 99, "defined enum values"],
    ["Product.images repeated.max_items", "upserted.images", times(17, MEDIA), "16 item(s)"],
    ["Product.videos repeated.max_items", "upserted.videos", times(5, MEDIA), "4 item(s)"],
    ["Product.group_id string.max_len", "upserted.groupId", "g".repeat(257), "at most 256 char"],
    ["Media.url string.min_len", "upserted.images", [MEDIA, {}], EMPTY, "upserted.images[1].url"],
    [
      "Media.url string.max_bytes",
      "upserted.videos",
      [{ url: `data:,${"x".repeat(10_485_755)}` }],
      "at most 10485760 bytes",
      "upserted.videos[0].url",
    ],
    [
      "Media.digest string.max_len",
      "upserted.images",
      [{ ...MEDIA, digest: "d".repeat(257) }],
      "at most 256 characters",
      "upserted.images[0].digest",
    ],
  ],
  event: [
    ["ClickstreamEvent.event_id string.min_len", "eventId", undefined, EMPTY],
    ["ClickstreamEvent.event_id string.max_len", "eventId", "e".repeat(129), "at most 128 char"],
    ["ClickstreamEvent.user_id string.min_len", "userId", undefined, EMPTY],
    ["ClickstreamEvent.user_id string.max_len", "userId", "u".repeat(257), "at most 256 char"],
    ["ClickstreamEvent.user_id string.pattern", "userId", "a\u007f", NO_CONTROLS],
    ["ClickstreamEvent.occurred_at required", "occurredAt", undefined, "value is required"],
    ["ClickstreamEvent.occurred_at cel not_before_1970", "occurredAt", EARLIER, PAST],
    ["ClickstreamEvent.occurred_at cel not_in_the_future", "occurredAt", LATER, FUTURE],
    ["ClickstreamEvent.event required", "interaction", undefined, "exactly one field", "event"],
    ["Interaction.product_id string.min_len", "interaction.productId", undefined, EMPTY],
    ["Interaction.product_id string.max_len", "interaction.productId", "p".repeat(257), "256"],
    ["Interaction.product_id string.pattern", "interaction.productId", "a\n", NO_CONTROLS],
    ["Interaction.action enum.defined_only", "interaction.action", 99, "defined enum values"],
    ["Interaction.action enum.not_in", "interaction.action", undefined, "must not be in list [0]"],
    ["Interaction.session_id string.max_len", "interaction.sessionId", "s".repeat(257), "256"],
    ["Interaction.dwell_seconds double.finite", "interaction.dwellSeconds", "Infinity", "finite"],
    ["Interaction.dwell_seconds double.gte", "interaction.dwellSeconds", -1, NOT_NEGATIVE],
  ],
  embedded: [
    ["ProductEmbedded.product_id string.min_len", "productId", undefined, EMPTY],
    ["ProductEmbedded.revision uint64.gt", "revision", undefined, "must be greater than 0"],
    ["ProductEmbedded.occurred_at required", "occurredAt", undefined, "value is required"],
    ["ProductEmbedded.state required", "embedded", undefined, "exactly one field", "state"],
    ["EmbeddedProduct.attributes required", "embedded.attributes", undefined, "value is required"],
    [
      "Embedding.modality string.min_len",
      "embedded.embeddings",
      [{ encoder: "e" }],
      EMPTY,
      "embedded.embeddings[0].modality",
    ],
    [
      "Embedding.encoder string.min_len",
      "embedded.embeddings",
      [{ modality: "text" }],
      EMPTY,
      "embedded.embeddings[0].encoder",
    ],
  ],
  recommend: [
    ["RecommendRequest.user_id string.min_len", "userId", undefined, EMPTY],
    ["RecommendRequest.user_id string.max_len", "userId", "u".repeat(257), "at most 256 char"],
    ["RecommendRequest.user_id string.pattern", "userId", "\u001f", NO_CONTROLS],
    ["RecommendRequest.limit uint32.gte", "limit", undefined, LIMIT],
    ["RecommendRequest.limit uint32.lte", "limit", 201, LIMIT],
    [
      "RecommendRequest.excluded_product_ids repeated.max_items",
      "excludedProductIds",
      times(1_001, "p"),
      "no more than 1000 item(s)",
    ],
    ["Filter.categories repeated.max_items", "filter.categories", times(65, "c"), "64 item(s)"],
    ["Filter.brands repeated.max_items", "filter.brands", times(65, "b"), "64 item(s)"],
    ["Filter.price_min double.finite", "filter.priceMin", "Infinity", "must be finite"],
    ["Filter.price_min double.gte", "filter.priceMin", -1, NOT_NEGATIVE],
    ["Filter.price_max double.finite", "filter.priceMax", "Infinity", "must be finite"],
    ["Filter.price_max double.gte", "filter.priceMax", -1, NOT_NEGATIVE],
    ["Filter.availability repeated.max_items", "filter.availability", times(9, 1), "8 item(s)"],
    [
      "Filter.availability repeated.items enum.defined_only",
      "filter.availability",
      [1, 99],
      "must be one of the defined enum values",
      "filter.availability[1]",
    ],
  ],
  similar: [
    ["SimilarProductsRequest.product_id string.min_len", "productId", undefined, EMPTY],
    ["SimilarProductsRequest.product_id string.max_len", "productId", "p".repeat(257), "256"],
    ["SimilarProductsRequest.product_id string.pattern", "productId", "\t", NO_CONTROLS],
    ["SimilarProductsRequest.limit uint32.gte", "limit", 0, LIMIT],
    ["SimilarProductsRequest.limit uint32.lte", "limit", 201, LIMIT],
    [
      "SimilarProductsRequest.excluded_product_ids repeated.max_items",
      "excludedProductIds",
      times(1_001, "p"),
      "no more than 1000 item(s)",
    ],
  ],
};

const BROKEN_ROWS = KINDS.flatMap((kind) =>
  BROKEN[kind].map(([rule, path, value, expectation, field]) => {
    const changed = path.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return [kind, rule, path, value, expectation, field ?? changed] as const;
  }),
);

describe("rules", () => {
  test("every rule of the protos has a message here that breaks it", () => {
    const declared = [
      file_marquetry_events_v1_product,
      file_marquetry_events_v1_clickstream,
      file_marquetry_ranking_v1_recommendation_service,
    ].flatMap((file) => file.messages.flatMap(rulesOfMessage));
    expect(BROKEN_ROWS.map(([, rule]) => rule).toSorted()).toEqual(declared.toSorted());
  });

  test.each(KINDS)("a %s with every field at its bound is accepted, in both forms", (kind) => {
    const { binary, json } = forms(kind, GOOD[kind]);
    const message: Message = fromJson(SCHEMAS[kind], GOOD[kind]);
    expect(messageOf(decode(SCHEMAS[kind], binary))).toEqual(message);
    expect(messageOf(decode(SCHEMAS[kind], json))).toEqual(message);
  });

  test.each(BROKEN_ROWS)(
    "%s: breaking %s is answered by the field and what was expected",
    (kind, _rule, path, value, expectation, field) => {
      const { binary, json } = forms(kind, withValue(GOOD[kind], path, value));
      for (const form of [binary, json]) {
        expect(problemOf(decode(SCHEMAS[kind], form))).toEqual({
          field,
          message: expect.stringContaining(expectation),
        });
      }
    },
  );

  test.each(["NaN", "-Infinity"])("a price of %s is refused in both forms", (price) => {
    const { binary, json } = forms("change", withValue(GOOD.change, "upserted.price", price));
    for (const form of [binary, json])
      expect(problemOf(decode(ProductChangeSchema, form)).field).toBe("upserted.price");
  });

  test("a time up to 5 minutes ahead is a clock's error and is accepted", () => {
    for (const [kind, schema] of [
      ["change", ProductChangeSchema],
      ["event", ClickstreamEventSchema],
    ] as const) {
      const { binary } = forms(kind, withValue(GOOD[kind], "occurredAt", at(4.5 * MINUTE_MS)));
      messageOf(decode<DescMessage>(schema, binary));
    }
  });

  test("a time too large for a date is a problem and no exception", () => {
    const message = create(ProductChangeSchema, {
      productId: "p",
      revision: 1n,
      occurredAt: { seconds: 2n ** 62n },
      change: { case: "removed", value: {} },
    });
    expect(findProblem(ProductChangeSchema, message)?.field).toBe("occurred_at");
  });

  test("a description of 10 MB is refused by its size, and the answer does not repeat it", () => {
    const long = withValue(GOOD.change, "upserted.description", "d".repeat(10_000_000));
    const problem = problemOf(decode(ProductChangeSchema, forms("change", long).json));
    expect(problem).toEqual({
      field: "upserted.description",
      message: "must be at most 65536 bytes",
    });
  });
});

describe("reading", () => {
  const { binary, json } = forms("event", GOOD.event);
  const accepted = fromJson(ClickstreamEventSchema, GOOD.event);

  test.each([
    "application/json",
    "application/json; charset=utf-8",
    "Application/JSON",
    "text/json",
    "application/protobuf+json",
  ])("content-type %s means JSON, whatever the first byte is", (contentType) => {
    const spaced = Uint8Array.from([0x0a, ...json]);
    expect(messageOf(decode(ClickstreamEventSchema, spaced, contentType))).toEqual(accepted);
    const { message } = problemOf(decode(ClickstreamEventSchema, binary, contentType));
    expect(message).toContain("in its JSON mapping");
  });

  test.each(["application/x-protobuf", "application/octet-stream", ""])(
    "any other content-type (%p) means binary, whatever the first byte is",
    (contentType) => {
      expect(messageOf(decode(ClickstreamEventSchema, binary, contentType))).toEqual(accepted);
      const { message } = problemOf(decode(ClickstreamEventSchema, json, contentType));
      expect(message).toContain("in binary protobuf");
    },
  );

  test("without a content-type the first byte tells", () => {
    expect(messageOf(decode(ClickstreamEventSchema, binary))).toEqual(accepted);
    expect(messageOf(decode(ClickstreamEventSchema, json))).toEqual(accepted);
  });

  test("field names of the proto and of its JSON mapping are both read", () => {
    const value = encoded(
      '{"event_id":"e","user_id":"u","occurred_at":"2026-03-01T09:30:00Z","erased":{}}',
    );
    expect(messageOf(decode(ClickstreamEventSchema, value)).userId).toBe("u");
  });

  test.each([
    ["a misspelt field", '{"usrId":"u"}', "usrId"],
    ["a price in words", '{"upserted":{"price":"cheap"}}', "price"],
    ["an unknown action by name", '{"interaction":{"action":"ACTION_LOOK"}}', "ACTION_LOOK"],
    ["a negative revision", '{"revision":-1}', "revision"],
    ["two changes at once", '{"upserted":{},"removed":{}}', "removed"],
    ["half of a surrogate pair in an id", '{"productId":"\\ud800"}', "product_id"],
    ["JSON that breaks off", '{"productId":"p', "JSON"],
  ])("%s is refused and the answer says where", (_, text, where) => {
    const schema =
      text.includes("usrId") || text.includes("interaction") ? SCHEMAS.event : SCHEMAS.change;
    const { message } = problemOf(decode<DescMessage>(schema, encoded(text)));
    expect(message).toContain(`expected ${schema.typeName} in its JSON mapping`);
    expect(message).toContain(where);
  });

  test("JSON that is not UTF-8 is refused, so that no two ids become one", () => {
    const value = encoded('{"productId":"p?"}');
    value[value.indexOf(0x3f)] = 0xff;
    expect(problemOf(decode(ProductChangeSchema, value)).message).toContain("utf-8");
  });

  test("the answer to a record of 5 MB stays one short line", () => {
    const value = encoded(`{"${"x".repeat(5_000_000)}":1}`);
    expect(problemOf(decode(ProductChangeSchema, value)).message.length).toBeLessThan(1_000);
  });

  test.each([
    ["a varint that breaks off", [0xff, 0xff]],
    ["a length beyond the end", [0x0a, 5, 0x41]],
    ["text that is not UTF-8", [0x0a, 2, 0xff, 0xfe]],
    ["a wire type that does not exist", [0x0f]],
    ["a group that never ends", [0x5b]],
  ])("binary with %s is refused", (_, bytes) => {
    const { message } = problemOf(decode(ProductChangeSchema, Uint8Array.from(bytes)));
    expect(message).toContain("expected marquetry.events.v1.ProductChange in binary protobuf");
  });

  test("a record cut anywhere is refused or lacks something, and never throws", () => {
    const message = create(ClickstreamEventSchema, {
      eventId: "e",
      userId: "u",
      occurredAt: timestampFromMs(1),
      event: { case: "interaction", value: { productId: "p", action: Action.VIEW } },
    });
    const whole = toBinary(ClickstreamEventSchema, message);
    messageOf(decode(ClickstreamEventSchema, whole));
    for (let length = 0; length < whole.length; length += 1)
      problemOf(decode(ClickstreamEventSchema, whole.subarray(0, length)));
  });

  test("fields of a newer contract are kept in binary, so that an old reader goes on", () => {
    const value = Uint8Array.from([...binary, 0xa2, 0x06, 1, 0x41]);
    expect(messageOf(decode(ClickstreamEventSchema, value)).eventId).toBe(GOOD.event.eventId);
  });
});

describe("what a shop would write by hand", () => {
  test("a product change as JSON", () => {
    const change = messageOf(
      decode(
        ProductChangeSchema,
        encoded(`{
          "productId": "sku-1042",
          "revision": 7,
          "occurredAt": "2026-03-01T09:30:00Z",
          "upserted": {
            "title": "Trail running shoe",
            "description": "Light, with a sole that holds on wet rock.",
            "categories": ["Sport/Running/Shoes"],
            "brand": "Northpeak",
            "price": 129.9,
            "currency": "EUR",
            "availability": "AVAILABILITY_IN_STOCK",
            "images": [{ "url": "https://cdn.example.com/sku-1042.jpg" }]
          }
        }`),
      ),
    );
    expect(change.revision).toBe(7n);
    expect(change.change).toMatchObject({ case: "upserted", value: { price: 129.9 } });
  });

  test("a click as JSON", () => {
    const click = messageOf(
      decode(
        ClickstreamEventSchema,
        encoded(`{
          "eventId": "0195f1c2-5a7e-7c3e-9d43-2f6b8a1c0e55",
          "userId": "user-17",
          "occurredAt": "2026-03-01T09:31:12.480Z",
          "interaction": { "productId": "sku-1042", "action": "ACTION_CLICK" }
        }`),
      ),
    );
    expect(click.event).toMatchObject({ case: "interaction", value: { action: Action.CLICK } });
  });
});

describe("batches", () => {
  test("records stay in order and each message stays with its record", () => {
    const click = (userId: string): Uint8Array =>
      forms("event", withValue(GOOD.event, "userId", userId)).binary;
    const records: { value: Uint8Array; headers: Record<string, string>; offset: number }[] = [
      { value: click("a"), headers: {}, offset: 0 },
      { value: click(""), headers: {}, offset: 1 },
      { value: click("b"), headers: { "content-type": "application/json" }, offset: 2 },
      { value: click("c"), headers: { "content-type": "application/x-protobuf" }, offset: 3 },
      { value: click("d"), headers: {}, offset: 4 },
    ];
    const { accepted, rejected } = decodeBatch(ClickstreamEventSchema, records);
    expect(accepted.map(({ record, message }) => [record.offset, message.userId])).toEqual([
      [0, "a"],
      [3, "c"],
      [4, "d"],
    ]);
    expect(rejected).toEqual([
      { record: records[1], cause: "user_id: must be at least 1 characters" },
      { record: records[2], cause: expect.stringContaining("in its JSON mapping") },
    ]);
    expect(decodeBatch(ClickstreamEventSchema, [])).toEqual({ accepted: [], rejected: [] });
  });

  test("a problem of the whole message is described without a field", () => {
    expect(describeProblem({ field: "", message: "broken" })).toBe("broken");
    expect(describeProblem({ field: "a.b", message: "broken" })).toBe("a.b: broken");
  });
});

function encoded(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function forms(kind: Kind, message: JsonObject): { binary: Uint8Array; json: Uint8Array } {
  const parsed: Message = fromJson(SCHEMAS[kind], message);
  return {
    binary: toBinary<DescMessage>(SCHEMAS[kind], parsed),
    json: encoded(toJsonString<DescMessage>(SCHEMAS[kind], parsed)),
  };
}

function messageOf<T>(decoded: Decoded<T>): T {
  if ("message" in decoded) return decoded.message;
  throw new Error(describeProblem(decoded.problem));
}

function problemOf(decoded: Decoded<MessageShape<DescMessage>>) {
  if ("problem" in decoded) return decoded.problem;
  throw new Error("the message was accepted");
}

/** A copy with the value at a dotted path replaced; `undefined` takes the field out. */
function withValue(message: JsonObject, path: string, value: JsonValue | undefined): JsonObject {
  const [name = "", ...rest] = path.split(".");
  const copy = { ...message };
  if (rest.length > 0) copy[name] = withValue(copy[name] as JsonObject, rest.join("."), value);
  else if (value === undefined) delete copy[name];
  else copy[name] = value;
  return copy;
}

function rulesOfMessage(message: DescMessage): string[] {
  const name = message.typeName.split(".").at(-1);
  return [
    ...getOption(message, messageOption).cel.map(({ id }) => `${name} cel ${id}`),
    ...message.oneofs
      .filter((oneof) => getOption(oneof, oneofOption).required)
      .map((oneof) => `${name}.${oneof.name} required`),
    ...message.fields.flatMap((field) =>
      rulesOfField(getOption(field, fieldOption)).map((rule) => `${name}.${field.name} ${rule}`),
    ),
    ...message.nestedMessages.flatMap(rulesOfMessage),
  ];
}

function rulesOfField(rules: FieldRules): string[] {
  const own = [...rules.cel.map(({ id }) => `cel ${id}`), ...(rules.required ? ["required"] : [])];
  const { type } = rules;
  if (type.case === undefined) return own;
  const schema = file_buf_validate_validate.messages.find(
    ({ typeName }) => typeName === type.value.$typeName,
  );
  const set = schema?.fields.filter((field) => isFieldSet(type.value, field)) ?? [];
  return [
    ...own,
    ...set.flatMap((field) => {
      if (field.message?.typeName !== FieldRulesSchema.typeName)
        return [`${type.case}.${field.name}`];
      const inner = (type.value as unknown as Record<string, FieldRules>)[field.localName];
      return inner === undefined
        ? []
        : rulesOfField(inner).map((rule) => `${type.case}.${field.name} ${rule}`);
    }),
  ];
}
